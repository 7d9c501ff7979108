"""One table of metrics that need no learned weights, QUALITY; and what LPIPS is called, which does.

An image and its original are 8-bit: uint8, (3, H, W), RGB. Every function raises InputError where they are not, or
differ in shape.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pfgvm.errors import InputError
from pfgvm.evaluation.metrics import mssim

Quality = Callable[[np.ndarray, np.ndarray], float]

# Brows to chin and cheek to cheek of an aligned face, in the rows and columns of CelebA's images.
_FACE_ROWS, _FACE_COLUMNS = (60, 180), (35, 143)
# The shortest side from which SSIMULACRA2's six scales, each half the last and rounded up, all reach 8 pixels.
_SIX_SCALES = 225


def face_region(image_size: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and the columns of the face in CelebA's framing at `image_size` (height, width)."""
    # PyTorch comes with it: the report reads the table and starts without it.
    from pfgvm.faces.geometry import CELEBA_SIZE

    return (
        _scaled(_FACE_ROWS, image_size[0] / CELEBA_SIZE[0]),
        _scaled(_FACE_COLUMNS, image_size[1] / CELEBA_SIZE[1]),
    )


def _scaled(ends: tuple[int, int], growth: float) -> slice:
    return slice(round(ends[0] * growth), round(ends[1] * growth))


def psnr(image: np.ndarray, original: np.ndarray) -> float:
    """Peak signal-to-noise ratio over all values, 10 log₁₀(255² / MSE), in dB; infinite where the two are equal."""
    check_pair(image, original)
    mse = np.mean((image.astype(float) - original) ** 2)
    return float(10 * np.log10(255**2 / mse)) if mse else math.inf


def flip(image: np.ndarray, original: np.ndarray) -> float:
    """Mean FLIP (Andersson et al., 2020), from 0, no difference seen, to 1; 67 pixels per degree, its default."""
    import flip_evaluator

    check_pair(image, original)
    test, reference = (np.ascontiguousarray(p.transpose(1, 2, 0), np.float32) / 255 for p in (image, original))
    return float(flip_evaluator.evaluate(reference, test, "LDR", applyMagma=False)[1])


def ssimulacra2(image: np.ndarray, original: np.ndarray) -> float:
    """SSIMULACRA 2.1 (Sneyers, 2023): 100 for equal images, 90 visually lossless, 70 high quality, 30 low, no lowest.

    An image with a side under 225 pixels is continued by its mirror images: of a smaller one the package drops
    scales, and the weights of the others then fall to the wrong scales and channels.
    """
    from ssimulacra2 import compute_ssimulacra2

    check_pair(image, original)
    return float(compute_ssimulacra2(_as_file(_mirrored(original)), _as_file(_mirrored(image))))


def _mirrored(image: np.ndarray) -> np.ndarray:
    # Whole mirror images, so that every pixel counts as often as any other.
    height, width = ((math.ceil(_SIX_SCALES / side) - 1) * side for side in image.shape[1:])
    return np.pad(image, ((0, 0), (0, height), (0, width)), mode="symmetric")


def _as_file(image: np.ndarray) -> io.BytesIO:
    from PIL import Image

    file = io.BytesIO()
    # Plain pixels: compressing them would take as long as the metric.
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(file, "PPM")
    return file


def _mssim(image: np.ndarray, original: np.ndarray) -> float:
    import torch

    return mssim(*(torch.from_numpy(values[None] / 255) for values in (image, original))).item()


def on_face(metric: Quality) -> Quality:
    """`metric` on the faces alone (`face_region`) of two images in CelebA's framing."""

    def of_faces(image: np.ndarray, original: np.ndarray) -> float:
        check_pair(image, original)
        rows, columns = face_region((original.shape[1], original.shape[2]))
        return metric(image[:, rows, columns], original[:, rows, columns])

    return of_faces


def check_pair(image: np.ndarray, original: np.ndarray) -> None:
    """Raise InputError where the two are no 8-bit images of one shape."""
    for name, values in (("image", image), ("original", original)):
        if values.dtype != np.uint8 or values.ndim != 3 or len(values) != 3:
            found = f"{values.dtype} of shape {values.shape}"
            raise InputError(f"{name}: {found}; give an 8-bit RGB image, uint8 of shape (3, H, W)")
    if image.shape != original.shape:
        shapes = f"{image.shape} and {original.shape}"
        raise InputError(f"image, original: their shapes differ ({shapes}); give an image with its own original")


@dataclass(frozen=True)
class QualityMetric:
    """A column of the quality of images, and how tables show its mean over them.

    name: the column. function: (image, original) to a number.
    label: (group, name), the group empty where the column stands alone. digits: printed after the decimal point.
    """

    name: str
    function: Quality
    label: tuple[str, str]
    digits: int
    smaller_is_better: bool


QUALITY = (
    QualityMetric("psnr", psnr, ("", "PSNR"), 1, smaller_is_better=False),
    QualityMetric("flip", flip, ("FLIP", "image"), 3, smaller_is_better=True),
    QualityMetric("ssimulacra2", ssimulacra2, ("", "SSIMULACRA2"), 1, smaller_is_better=False),
    QualityMetric("flip_face", on_face(flip), ("FLIP", "face"), 3, smaller_is_better=True),
    QualityMetric("mssim_face", on_face(_mssim), ("MSSIM", "face"), 3, smaller_is_better=False),
)


def _without_weights(image: np.ndarray, original: np.ndarray) -> float:
    raise InputError("LPIPS: its weights are the user's own; pfgvm.evaluation.quality.lpips takes them")


LPIPS = QualityMetric("lpips", _without_weights, ("", "LPIPS"), 3, smaller_is_better=True)

"""Quality metrics without learned weights, listed in QUALITY, and the entry of LPIPS.

Images and originals are 8-bit RGB: uint8, (3, H, W). Every function raises InputError for other types and for different
shapes.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pfgvm.errors import InputError
from pfgvm.evaluation.metrics import mssim
from pfgvm.faces.geometry import face_region

Quality = Callable[[np.ndarray, np.ndarray], float]

# Smallest side at which all six scales of SSIMULACRA2, each half the previous one, have at least 8 pixels.
_SIX_SCALES = 225


def psnr(image: np.ndarray, original: np.ndarray) -> float:
    """Peak signal-to-noise ratio over all values, 10 log₁₀(255² / MSE), in dB; infinite for equal images."""
    check_pair(image, original)
    mse = np.mean((image.astype(float) - original) ** 2)
    return float(10 * np.log10(255**2 / mse)) if mse else math.inf


def flip(image: np.ndarray, original: np.ndarray) -> float:
    """Mean FLIP (Andersson et al., 2020), from 0 (no visible difference) to 1, at the default 67 pixels per degree."""
    import flip_evaluator

    check_pair(image, original)
    test, reference = (np.ascontiguousarray(p.transpose(1, 2, 0), np.float32) / 255 for p in (image, original))
    return float(flip_evaluator.evaluate(reference, test, "LDR", applyMagma=False)[1])


def ssimulacra2(image: np.ndarray, original: np.ndarray) -> float:
    """SSIMULACRA 2.1 (Sneyers, 2023): 100 for equal images, 90 visually lossless, 70 high, 30 low; unbounded below.

    An image with a side under 225 pixels is extended by reflection. Otherwise the package would drop scales and apply
    the remaining weights to the wrong scales and channels.
    """
    from ssimulacra2 import compute_ssimulacra2

    check_pair(image, original)
    return float(compute_ssimulacra2(_as_file(_mirrored(original)), _as_file(_mirrored(image))))


def _mirrored(image: np.ndarray) -> np.ndarray:
    # Whole reflections, so that all pixels have equal weight.
    height, width = ((math.ceil(_SIX_SCALES / side) - 1) * side for side in image.shape[1:])
    return np.pad(image, ((0, 0), (0, height), (0, width)), mode="symmetric")


def _as_file(image: np.ndarray) -> io.BytesIO:
    from PIL import Image

    file = io.BytesIO()
    # Uncompressed: compression would take as long as the metric.
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(file, "PPM")
    return file


def _mssim(image: np.ndarray, original: np.ndarray) -> float:
    import torch

    return mssim(*(torch.from_numpy(values[None] / 255) for values in (image, original))).item()


def on_face(metric: Quality) -> Quality:
    """Restrict `metric` to the face (`face_region`) of images in CelebA's framing."""

    def of_faces(image: np.ndarray, original: np.ndarray) -> float:
        check_pair(image, original)
        rows, columns = face_region((original.shape[1], original.shape[2]))
        return metric(image[:, rows, columns], original[:, rows, columns])

    return of_faces


def check_pair(image: np.ndarray, original: np.ndarray) -> None:
    """Raise InputError unless both are 8-bit RGB images of one shape."""
    for name, values in (("image", image), ("original", original)):
        if values.dtype != np.uint8 or values.ndim != 3 or len(values) != 3:
            kind = f"{values.dtype} of shape {values.shape}"
            raise InputError(f"{name}: {kind}; give an 8-bit RGB image, uint8 of shape (3, H, W)")
    if image.shape != original.shape:
        shapes = f"{image.shape} and {original.shape}"
        raise InputError(f"image, original: their shapes differ ({shapes}); give an image with its original")


@dataclass(frozen=True)
class QualityMetric:
    """A quality metric: a column of the evaluation, and the format of its mean in tables.

    name: column name. function: maps (image, original) to a number.
    label: heading (group, name); the group may be empty. digits: decimals in tables.
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
    raise InputError("LPIPS: its weights are the user's own; use pfgvm.evaluation.quality.lpips")


LPIPS = QualityMetric("lpips", _without_weights, ("", "LPIPS"), 3, smaller_is_better=True)

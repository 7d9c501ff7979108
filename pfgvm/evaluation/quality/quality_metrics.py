"""Metrics of an image's quality and of a perturbation's visibility, without learned weights, and the entry of LPIPS.

QUALITY has the metrics of quality, VISIBILITY those of visibility on the face.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pfgvm.errors import InputError
from pfgvm.evaluation.metrics import mssim

# Visual angle of the width of a face on a screen at arm's length, in degrees.
_CLOSE = 10
# Smallest side at which all six scales of SSIMULACRA2, each half the previous one, have at least 8 pixels.
_SIX_SCALES = 225


@dataclass(frozen=True, eq=False)
class ImagePair:
    """An image and its original, 8-bit RGB: uint8, (3, H, W).

    displacement: float32, (2, H, W), x and y in pixels, None for a method that displaces none: pixel p of the image
    shows the original at p + displacement. Raises InputError for images of other types and of different shapes.
    """

    image: np.ndarray
    original: np.ndarray
    displacement: np.ndarray | None = None
    _flip: dict[float | None, tuple[np.ndarray, float]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for name, values in (("image", self.image), ("original", self.original)):
            if values.dtype != np.uint8 or values.ndim != 3 or len(values) != 3:
                kind = f"{values.dtype} of shape {values.shape}"
                raise InputError(f"{name}: {kind}; give an 8-bit RGB image, uint8 of shape (3, H, W)")
        if self.image.shape != self.original.shape:
            shapes = f"{self.image.shape} and {self.original.shape}"
            raise InputError(f"image, original: their shapes differ ({shapes}); give an image with its original")

    @cached_property
    def face(self) -> "ImagePair":
        """The face (`face_region`) of images in CelebA's framing, without the displacement."""
        # Imported here, since the report starts without it.
        from pfgvm.faces.geometry import face_region

        region = face_region((self.original.shape[1], self.original.shape[2]))
        return ImagePair(self.image[:, *region], self.original[:, *region])

    @cached_property
    def displaced(self) -> "ImagePair":
        """The image and its displaced original, which differ by the rest of the perturbation."""
        if self.displacement is None:
            return self
        import torch

        from pfgvm.attacks.common.smooth_fields import displaced
        from pfgvm.faces.images import to_8bit

        original = torch.from_numpy(self.original[None] / np.float32(255))
        return ImagePair(self.image, to_8bit(displaced(original, torch.tensor(self.displacement)[None]).numpy())[0])

    def flip_map(self, pixels_per_degree: float | None = None) -> tuple[np.ndarray, float]:
        """Map of FLIP (Andersson et al., 2020), (H, W), from 0 (no visible difference) to 1, and its mean.

        pixels_per_degree: of visual angle; None: 67, the default of FLIP. Computed once for each value.
        """
        if pixels_per_degree not in self._flip:
            import flip_evaluator

            pair = (self.original, self.image)
            reference, test = (np.ascontiguousarray(p.transpose(1, 2, 0), np.float32) / 255 for p in pair)
            given = {} if pixels_per_degree is None else {"ppd": pixels_per_degree}
            of_pixels, mean, _ = flip_evaluator.evaluate(reference, test, "LDR", applyMagma=False, parameters=given)
            self._flip[pixels_per_degree] = of_pixels[..., 0], float(mean)
        return self._flip[pixels_per_degree]


Quality = Callable[[ImagePair], float]


def psnr(pair: ImagePair) -> float:
    """Peak signal-to-noise ratio over all values, 10 log₁₀(255² / MSE), in dB; infinite for equal images."""
    mse = np.mean((pair.image.astype(float) - pair.original) ** 2)
    return float(10 * np.log10(255**2 / mse)) if mse else math.inf


def flip(pair: ImagePair) -> float:
    """Mean FLIP at the default 67 pixels per degree."""
    return pair.flip_map()[1]


def flip_p95(pair: ImagePair) -> float:
    """The 95th percentile of FLIP's map at the default 67 pixels per degree."""
    return float(np.percentile(pair.flip_map()[0], 95))


def flip_close(pair: ImagePair) -> float:
    """Mean FLIP at the viewing angle at which the width of the images is 10 degrees."""
    return pair.flip_map(pair.image.shape[2] / _CLOSE)[1]


def flip_close_p95(pair: ImagePair) -> float:
    """The 95th percentile of FLIP's map at the viewing angle of `flip_close`."""
    return float(np.percentile(pair.flip_map(pair.image.shape[2] / _CLOSE)[0], 95))


def ssimulacra2(pair: ImagePair) -> float:
    """SSIMULACRA 2.1 (Sneyers, 2023): 100 for equal images, 90 visually lossless, 70 high, 30 low; unbounded below.

    An image with a side under 225 pixels is extended by reflection. Otherwise the package would drop scales and apply
    the remaining weights to the wrong scales and channels.
    """
    from ssimulacra2 import compute_ssimulacra2

    return float(compute_ssimulacra2(_as_file(_mirrored(pair.original)), _as_file(_mirrored(pair.image))))


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


def _mssim(pair: ImagePair) -> float:
    import torch

    return mssim(*(torch.from_numpy(values[None] / 255) for values in (pair.image, pair.original))).item()


def on_face(metric: Quality) -> Quality:
    """Restrict `metric` to the face (`face_region`) of images in CelebA's framing."""
    return lambda pair: metric(pair.face)


def to_displaced(metric: Quality) -> Quality:
    """Compare with the displaced original by `metric`: the visibility of the perturbation without its displacement."""
    return lambda pair: metric(pair.displaced)


def displacement(pair: ImagePair) -> float:
    """Mean length of the displacement on the face, in pixels of CelebA's images (178 x 218)."""
    return float(_lengths_on_face(pair).mean())


def displacement_max(pair: ImagePair) -> float:
    """Maximum length of the displacement on the face, in pixels of CelebA's images (178 x 218)."""
    return float(_lengths_on_face(pair).max())


def _lengths_on_face(pair: ImagePair) -> np.ndarray:
    from pfgvm.faces.geometry import CELEBA_SIZE, face_region

    if pair.displacement is None:
        return np.zeros(1)
    height, width = pair.displacement.shape[1:]
    x, y = pair.displacement[:, *face_region((height, width))]
    return np.hypot(x * (CELEBA_SIZE[1] / width), y * (CELEBA_SIZE[0] / height))


@dataclass(frozen=True)
class QualityMetric:
    """A metric of quality or visibility: a column of the evaluation, and the format of its mean in tables.

    name: column name. function: maps an ImagePair to a number.
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

# On the face: FLIP from afar (67 pixels per degree) and close (a face 10 degrees wide), and the displacement.
VISIBILITY = (
    QualityMetric("flip_face_p95", on_face(flip_p95), ("FLIP, far", "95th percentile"), 3, smaller_is_better=True),
    QualityMetric("flip_close", on_face(flip_close), ("FLIP, close", "mean"), 3, smaller_is_better=True),
    QualityMetric(
        "flip_close_p95", on_face(flip_close_p95), ("FLIP, close", "95th percentile"), 3, smaller_is_better=True
    ),
    QualityMetric(
        "flip_displaced", to_displaced(on_face(flip)), ("FLIP, far", "displaced original"), 3, smaller_is_better=True
    ),
    QualityMetric(
        "flip_displaced_p95",
        to_displaced(on_face(flip_p95)),
        ("FLIP, far", "displaced original, 95th percentile"),
        3,
        smaller_is_better=True,
    ),
    QualityMetric(
        "flip_close_displaced",
        to_displaced(on_face(flip_close)),
        ("FLIP, close", "displaced original"),
        3,
        smaller_is_better=True,
    ),
    QualityMetric("displacement", displacement, ("Displacement", "mean"), 2, smaller_is_better=True),
    QualityMetric("displacement_max", displacement_max, ("Displacement", "maximum"), 2, smaller_is_better=True),
)


def _without_weights(pair: ImagePair) -> float:
    raise InputError("LPIPS: its weights are the user's own; use pfgvm.evaluation.quality.lpips")


LPIPS = QualityMetric("lpips", _without_weights, ("", "LPIPS"), 3, smaller_is_better=True)

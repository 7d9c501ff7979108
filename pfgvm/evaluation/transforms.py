"""Post-processing of published images and purification by an attacker: transforms, listed in TRANSFORMS.

Files are written with Pillow's defaults: JPEG and WebP halve the chroma resolution (4:2:0).
"""

import functools
import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from pfgvm.faces.images import to_8bit

Transform = Callable[[np.ndarray], np.ndarray]


def _through_file(pixels: np.ndarray, *, kind: str, quality: int) -> np.ndarray:
    file = io.BytesIO()
    _image(pixels).save(file, kind, quality=quality)
    with Image.open(file) as read:
        return _pixels(read.convert("RGB"))


def _half_size(pixels: np.ndarray) -> np.ndarray:
    image = _image(pixels)
    width, height = image.size
    half = image.resize(((width + 1) // 2, (height + 1) // 2), Image.Resampling.LANCZOS)
    return _pixels(half.resize(image.size, Image.Resampling.LANCZOS))


def _blurred(pixels: np.ndarray) -> np.ndarray:
    # Imported here, since SciPy loads slowly. Pillow's Gaussian blur is only an approximation by box blurs.
    from scipy.ndimage import gaussian_filter

    return to_8bit(gaussian_filter(pixels / 255, sigma=(0, 1, 1), mode="nearest"))


def _cropped(pixels: np.ndarray) -> np.ndarray:
    image = _image(pixels)
    width, height = image.size
    # Whole pixels, as in an image editor.
    left, top = (max(1, round(0.02 * side)) for side in image.size)
    middle = image.crop((left, top, width - left, height - top))
    return _pixels(middle.resize(image.size, Image.Resampling.LANCZOS))


def _of_5_bits(pixels: np.ndarray) -> np.ndarray:
    # Rounded to the nearest level; truncation would darken the image.
    return to_8bit(np.rint(pixels / 255 * 31) / 31)


def _median(pixels: np.ndarray) -> np.ndarray:
    return _pixels(_image(pixels).filter(ImageFilter.MedianFilter(3)))


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).transpose(2, 0, 1).copy()


# Each maps an image, uint8, (3, H, W), to one of the same size, without changing its argument.
TRANSFORMS: dict[str, Transform] = {
    "PNG": np.copy,
    "JPEG 95": functools.partial(_through_file, kind="JPEG", quality=95),
    "JPEG 85": functools.partial(_through_file, kind="JPEG", quality=85),
    "JPEG 75": functools.partial(_through_file, kind="JPEG", quality=75),
    "JPEG 50": functools.partial(_through_file, kind="JPEG", quality=50),
    "WebP 80": functools.partial(_through_file, kind="WebP", quality=80),
    "half size": _half_size,
    "blur 1 px": _blurred,
    "crop 2 %": _cropped,
    "5 bits": _of_5_bits,
    "median 3x3": _median,
}
# Common post-processing: all but the median filter.
POST_PROCESSING = tuple(TRANSFORMS)[:-1]
# Purification: transforms by which an attacker tries to remove the perturbation.
PURIFIERS = ("median 3x3", "JPEG 50")

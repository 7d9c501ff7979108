"""Decoding, resizing and quantisation of images."""

import contextlib
import functools
import io
import warnings

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from pfgvm.errors import InputError

_WHITE_IS_ZERO = 0  # of TIFF's PhotometricInterpretation
_REDUCED = 1  # bit of TIFF's NewSubfileType: a reduced version of another image in the same file


@functools.cache
def image_formats() -> tuple[str, ...]:
    """Pillow's names of the supported formats: raster images, without video, pages or vector graphics."""
    Image.init()
    return tuple(
        name
        for name, (reader, _) in Image.OPEN.items()
        # A stub identifies its format but cannot read it.
        if not (isinstance(reader, type) and issubclass(reader, ImageFile.StubImageFile))
        and Image.MIME.get(name, "image/").startswith("image/")
    )


@functools.cache
def image_suffixes() -> frozenset[str]:
    """Extensions, in lower case with their dot, of the formats that `decode` supports."""
    # Pillow reads MPO through JPEG, without a separate reader.
    readable = {*image_formats(), "MPO"}
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in readable)


def decode(content: bytes, name: str) -> Image.Image:
    """Decode `content` to 8-bit RGB, upright by its EXIF orientation; of several frames the first one.

    Every mode is converted: grey of up to 16 bits is scaled, transparent images are composited on white.
    Raises InputError, with the image `name`, for a truncated or unsupported file, for more pixels than Pillow accepts
    (2 * PIL.Image.MAX_IMAGE_PIXELS), and for 32-bit grey. Raw camera files, of which Pillow reads a thumbnail, are
    rejected too.
    """
    try:
        # Pillow's warnings (odd metadata, very large images) do not concern the pixels.
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(content), formats=image_formats()) as image,
        ):
            _require_full_size(image, name)
            image.load()
            turn_upright(image)
            return _as_rgb(image, name)
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{name}: not a complete image (unknown format); replace or remove it") from None
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise InputError(f"{name}: exceeds the limit of {limit:,} pixels; scale it down") from None
    # Pillow's readers may raise any error for damaged fields.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"{name}: not a complete image ({reason}); replace or remove it") from None


def _require_full_size(image: Image.Image, name: str) -> None:
    kind = getattr(image, "tag_v2", {}).get(ExifTags.Base.NewSubfileType, 0)
    if image.format == "TIFF" and kind & _REDUCED:
        raise InputError(
            f"{name}: only its thumbnail of {image.width} x {image.height} pixels is readable, as in a raw file; "
            "save it as JPEG, PNG or TIFF of full size"
        )


def turn_upright(image: Image.Image) -> None:
    """Rotate or flip `image` in place by its EXIF orientation; with invalid EXIF data it is unchanged."""
    # Pillow may raise any error for invalid EXIF data. In place, since the pixels are rotated before the other tags
    # are rewritten: if only the latter fails, the image is upright.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)


def _as_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _as_8bit_grey(image, name).convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")


def _as_8bit_grey(image: Image.Image, name: str) -> Image.Image:
    # Pillow would clip to 8 bits instead of scaling.
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
        raise InputError(f"{name}: 32-bit grey has no defined white level; save it with 8 or 16 bits, or remove it")
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    (bits,) = tags.get(ExifTags.Base.BitsPerSample, (16,))
    levels = np.asarray(image)
    grey = (levels >> (bits - 8)).astype(np.uint8)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == _WHITE_IS_ZERO:
        grey = 255 - grey
    grey[levels == image.info.get("transparency", -1)] = 255
    return Image.fromarray(grey)


def to_size(image: Image.Image, image_size: tuple[int, int]) -> np.ndarray:
    """Resize the RGB `image` to `image_size` (height, width): uint8, (3, H, W).

    An image of another size is centre-cropped to that aspect ratio, then resampled (Lanczos).
    """
    height, width = image_size
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), method=Image.Resampling.LANCZOS)
    return np.asarray(image).transpose(2, 0, 1).copy()


def to_8bit(pixels: np.ndarray) -> np.ndarray:
    """Quantise pixels in [0, 1], of any shape, to 8 bits (uint8), rounded as in a published image.

    Truncation would double the error: its L2 norm at 218 x 178 is 0.77, compared with 0.39 for rounding.
    """
    return np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)

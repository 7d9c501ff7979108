"""From an image's bytes to numbers and back."""

import contextlib
import functools
import io
import warnings

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from pfgvm.errors import InputError

_WHITE_IS_ZERO = 0  # of TIFF's PhotometricInterpretation
_REDUCED = 1  # bit of TIFF's NewSubfileType: an image of fewer pixels than another in the same file


@functools.cache
def image_formats() -> tuple[str, ...]:
    """Pillow's names of the formats in which an image is read: those of pixels, not of films, pages or drawings."""
    Image.init()
    return tuple(
        name
        for name, (reader, _) in Image.OPEN.items()
        # A stub knows its format by sight but cannot read it.
        if not (isinstance(reader, type) and issubclass(reader, ImageFile.StubImageFile))
        and Image.MIME.get(name, "image/").startswith("image/")
    )


@functools.cache
def image_suffixes() -> frozenset[str]:
    """The endings, in lower case and with their dot, of file names that promise an image which `decode` reads."""
    # Pillow reads MPO as a kind of JPEG and lists it under no reader of its own.
    readable = {*image_formats(), "MPO"}
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in readable)


def decode(content: bytes, name: str) -> Image.Image:
    """The image in `content` as RGB of 8 bits, upright after its EXIF orientation; of several frames the first.

    Images of every mode are converted: grey of up to 16 bits is scaled, transparent images are laid on white.
    Raises InputError, naming the image `name`, for a truncated or foreign file, one of more pixels than Pillow
    takes (2 * PIL.Image.MAX_IMAGE_PIXELS), grey of 32 bits, and a camera's raw file, of which Pillow reads a thumbnail.
    """
    try:
        # What Pillow warns of (odd metadata, pixels by the hundred million) makes no image worse.
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
        raise InputError(f"{name}: not a whole image (unknown format); replace or remove it") from None
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise InputError(f"{name}: too large an image; the limit is {limit:,} pixels; scale it down") from None
    # Damaged fields make Pillow's readers raise nearly anything.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"{name}: not a whole image ({reason}); replace or remove it") from None


def _require_full_size(image: Image.Image, name: str) -> None:
    kind = getattr(image, "tag_v2", {}).get(ExifTags.Base.NewSubfileType, 0)
    if image.format == "TIFF" and kind & _REDUCED:
        raise InputError(
            f"{name}: is a raw file or the like, of which only a thumbnail of {image.width} x {image.height} "
            "pixels can be read; save it as JPEG, PNG or TIFF of full size"
        )


def turn_upright(image: Image.Image) -> None:
    """Rotate or flip `image` in place by its EXIF orientation. With broken EXIF it stays as stored."""
    # Pillow raises nearly anything for broken EXIF. In place, since the pixels are turned before the other tags are
    # rewritten: if that alone fails, the image is upright.
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
    # Pillow would clip to 8 bits rather than scale.
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
        raise InputError(
            f"{name}: grey of 32 bits does not say which level is white; save it with 8 or 16 bits, or remove it"
        )
    tags = getattr(image, "tag_v2", {})  # a TIFF's
    (bits,) = tags.get(ExifTags.Base.BitsPerSample, (16,))
    levels = np.asarray(image)
    grey = (levels >> (bits - 8)).astype(np.uint8)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == _WHITE_IS_ZERO:
        grey = 255 - grey
    grey[levels == image.info.get("transparency", -1)] = 255
    return Image.fromarray(grey)


def to_size(image: Image.Image, image_size: tuple[int, int]) -> np.ndarray:
    """The RGB `image` at `image_size` (height, width) as uint8, (3, H, W).

    An image of another shape is cropped about its centre to that aspect ratio, then resampled (Lanczos).
    """
    height, width = image_size
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), method=Image.Resampling.LANCZOS)
    return np.asarray(image).transpose(2, 0, 1).copy()


def to_8bit(pixels: np.ndarray) -> np.ndarray:
    """Pixels in [0, 1], of any shape, as the 8-bit image that would be published, uint8: rounded, not floored.

    Flooring would double the error: its L2 norm at 218 x 178 is 0.77 against rounding's 0.39.
    """
    return np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)

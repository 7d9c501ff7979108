"""From a picture's bytes to numbers and back."""

import contextlib
import functools
import io
import warnings

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from pfgvm.errors import InputError

_WHITE_IS_ZERO = 0  # of TIFF's PhotometricInterpretation
_REDUCED = 1  # bit of TIFF's NewSubfileType: a picture of fewer pixels than another in the same file


@functools.cache
def picture_formats() -> tuple[str, ...]:
    """Pillow's names of the formats in which a picture is read: those of pixels, not of films, pages or drawings."""
    Image.init()
    return tuple(
        name
        for name, (reader, _) in Image.OPEN.items()
        # A stub knows its format by sight but cannot read it.
        if not (isinstance(reader, type) and issubclass(reader, ImageFile.StubImageFile))
        and Image.MIME.get(name, "image/").startswith("image/")
    )


@functools.cache
def picture_suffixes() -> frozenset[str]:
    """The endings, in lower case and with their dot, of file names that promise a picture which `decode` reads."""
    # Pillow reads MPO as a kind of JPEG and lists it under no reader of its own.
    readable = {*picture_formats(), "MPO"}
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in readable)


def decode(content: bytes, name: str) -> Image.Image:
    """The picture in `content` as RGB of 8 bits, upright after its EXIF orientation; of several frames the first.

    Pictures of every mode are converted: grey of up to 16 bits is scaled, transparent pictures are laid on white.
    Raises InputError, naming the picture `name`, for a truncated or foreign file, one of more pixels than Pillow
    takes (2 * PIL.Image.MAX_IMAGE_PIXELS), grey of 32 bits, and a camera's raw file, of which Pillow reads a thumbnail.
    """
    try:
        # What Pillow warns of (odd metadata, pixels by the hundred million) makes no picture worse.
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(content), formats=picture_formats()) as picture,
        ):
            _require_full_size(picture, name)
            picture.load()
            turn_upright(picture)
            return _as_rgb(picture, name)
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{name}: not a whole picture (unknown format); replace or remove it") from None
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise InputError(f"{name}: too large a picture; the limit is {limit:,} pixels; scale it down") from None
    # Damaged fields make Pillow's readers raise nearly anything.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"{name}: not a whole picture ({reason}); replace or remove it") from None


def _require_full_size(picture: Image.Image, name: str) -> None:
    kind = getattr(picture, "tag_v2", {}).get(ExifTags.Base.NewSubfileType, 0)
    if picture.format == "TIFF" and kind & _REDUCED:
        raise InputError(
            f"{name}: is a raw file or the like, of which only a thumbnail of {picture.width} x {picture.height} "
            "pixels can be read; save it as JPEG, PNG or TIFF of full size"
        )


def turn_upright(image: Image.Image) -> None:
    """Rotate or flip `image` in place by its EXIF orientation. With broken EXIF it stays as stored."""
    # Pillow raises nearly anything for broken EXIF. In place, since the pixels are turned before the other tags are
    # rewritten: if that alone fails, the image is upright.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)


def _as_rgb(picture: Image.Image, name: str) -> Image.Image:
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return _as_8bit_grey(picture, name).convert("RGB")
    if picture.mode == "La":
        picture = picture.convert("LA")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("RGB")


def _as_8bit_grey(picture: Image.Image, name: str) -> Image.Image:
    # Pillow would clip to 8 bits rather than scale.
    if picture.mode == "F" or (picture.mode == "I" and picture.format != "PPM"):
        raise InputError(
            f"{name}: grey of 32 bits does not say which level is white; save it with 8 or 16 bits, or remove it"
        )
    tags = getattr(picture, "tag_v2", {})  # a TIFF's
    (bits,) = tags.get(ExifTags.Base.BitsPerSample, (16,))
    levels = np.asarray(picture)
    grey = (levels >> (bits - 8)).astype(np.uint8)
    if tags.get(ExifTags.Base.PhotometricInterpretation) == _WHITE_IS_ZERO:
        grey = 255 - grey
    grey[levels == picture.info.get("transparency", -1)] = 255
    return Image.fromarray(grey)


def to_size(picture: Image.Image, image_size: tuple[int, int]) -> np.ndarray:
    """The RGB `picture` at `image_size` (height, width) as uint8, (3, H, W).

    A picture of another shape is cropped about its centre to that aspect ratio, then resampled (Lanczos).
    """
    height, width = image_size
    if picture.size != (width, height):
        picture = ImageOps.fit(picture, (width, height), method=Image.Resampling.LANCZOS)
    return np.asarray(picture).transpose(2, 0, 1).copy()


def to_8bit(pixels: np.ndarray) -> np.ndarray:
    """Pixels in [0, 1], of any shape, as the 8-bit picture that would be published, uint8: rounded, not floored.

    Flooring would double the error: its L2 norm at 218 x 178 is 0.77 against rounding's 0.39.
    """
    return np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)

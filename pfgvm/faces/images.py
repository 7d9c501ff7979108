"""From a picture's bytes to numbers and back."""

import functools
import io
import struct
import warnings

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError

from pfgvm.errors import InputError

# How a picture of each EXIF orientation comes upright (EXIF 2.32, tag 0x0112).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
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
            converted = _as_rgb(picture, name)
            orientation = _orientation(picture)
            return converted.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else converted
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


def _orientation(picture: Image.Image) -> int | None:
    try:
        return _exif_orientation(picture.info["exif"])
    except (KeyError, struct.error):
        pass
    # Not in EXIF's own place; Pillow also looks into XMP and text, and raises nearly anything for what is invalid.
    try:
        return picture.getexif().get(ExifTags.Base.Orientation)
    except Exception:
        return None


def _exif_orientation(exif: bytes) -> int:
    """The value of the orientation tag in `exif` (EXIF 2.32, section 4.6.2), whatever the other tags hold.

    Pillow reads the tags in turn and stops at one that points outside. Raises KeyError or struct.error without a
    value.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}[exif[:2]]
    (directory,) = struct.unpack_from(f"{order}I", exif, 4)
    (tags,) = struct.unpack_from(f"{order}H", exif, directory)
    for place in range(directory + 2, directory + 2 + 12 * tags, 12):
        tag, kind, _ = struct.unpack_from(f"{order}HHI", exif, place)
        if tag == ExifTags.Base.Orientation:
            return struct.unpack_from(order + {1: "B", 3: "H", 4: "I"}[kind], exif, place + 8)[0]
    raise KeyError("orientation")


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

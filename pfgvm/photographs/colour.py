"""Colour spaces of photos: detection, and conversion to sRGB."""

import contextlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms

# Rounding error, in levels of 255, of a conversion that changes nothing.
_ROUNDING = 2
_D65 = (0.3127, 0.3290)
# x, y of white, red, green and blue, by code of ITU-T H.273: BT.709 (the primaries of sRGB), BT.2020, P3.
_PRIMARIES = {
    1: (_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    9: (_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: (_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_SRGB = _PRIMARIES[1]
_SRGB_TRANSFER = 13  # H.273
# Cone responses of Bradford's chromatic adaptation (ICC.1:2022, Annex E).
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_ROWS = 256

Chromaticities = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Encoding:
    """An RGB encoding: linear light is the value to the power `gamma` (None: the sRGB curve), with these `primaries`.

    name: name in notes. primaries: x, y (CIE 1931) of white, red, green and blue.
    """

    name: str
    primaries: Chromaticities
    gamma: float | None = None


# Adobe RGB (1998) Color Image Encoding, 4.3.
ADOBE_RGB = Encoding("Adobe RGB (1998)", (_D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256)


@dataclass(frozen=True)
class Unknown:
    """A colour space that is not converted. words: its description in notes."""

    words: str


def declared(content: bytes, image: Image.Image) -> Encoding | bytes | Unknown | None:
    """Colour space that the file `content`, opened as `image`, declares; bytes: an ICC profile; None: sRGB.

    The format determines the precedence of several declarations: in PNG (third edition, 4.3) cICP, an ICC profile,
    sRGB, then gAMA and cHRM; elsewhere a profile, then EXIF's ColorSpace and interoperability index. The default is
    sRGB.
    """
    for reader in (_png_codes, _icc_profile, _avif_codes, _png_numbers, _exif_space):
        # Pillow may raise any error for damaged metadata; the pixels have already been read.
        with contextlib.suppress(Exception):
            if (space := reader(content, image)) is not None:
                return None if space == _AS_SRGB else space
    return None


_AS_SRGB = Encoding("sRGB", _SRGB)


def _icc_profile(content: bytes, image: Image.Image) -> bytes | None:
    return image.info.get("icc_profile") or None


def _png_codes(content: bytes, image: Image.Image) -> Encoding | Unknown | None:
    codes = dict(_png_chunks(content)).get(b"cICP") if image.format == "PNG" else None
    return _by_codes(codes[0], codes[1]) if codes else None


def _avif_codes(content: bytes, image: Image.Image) -> Encoding | Unknown | None:
    place = content.find(b"colrnclx") if image.format == "AVIF" else -1
    return _by_codes(*struct.unpack_from(">HH", content, place + 8)) if place >= 0 else None


def _by_codes(primaries: int, transfer: int) -> Encoding | Unknown | None:
    if 2 in (primaries, transfer):  # unspecified
        return None
    if primaries in _PRIMARIES and transfer == _SRGB_TRANSFER:
        name = {1: "sRGB", 9: "BT.2020's primaries", 12: "Display P3"}[primaries]
        return Encoding(name, _PRIMARIES[primaries])
    # BT.709's curve, which viewers treat as sRGB.
    if (primaries, transfer) in ((1, 1), (1, 6)):
        return _AS_SRGB
    return Unknown(f"the colour space of H.273's primaries {primaries} and transfer {transfer}")


def _png_numbers(content: bytes, image: Image.Image) -> Encoding | None:
    info = image.info if image.format == "PNG" else {}
    if "srgb" in info:
        return _AS_SRGB
    exponent, points = info.get("gamma"), info.get("chromaticity")
    # 1 / 2.2 is the usual approximation of the sRGB curve.
    gamma = 1 / exponent if exponent and abs(exponent - 1 / 2.2) > 0.005 else None
    primaries = tuple(zip(points[::2], points[1::2], strict=True)) if points and all(points[1::2]) else _SRGB
    if np.allclose(primaries, _SRGB, atol=0.002):
        primaries = _SRGB
    if gamma is None and primaries == _SRGB:
        return _AS_SRGB if exponent else None
    return Encoding("the gamma and primaries that its file states", primaries, gamma)


def _exif_space(content: bytes, image: Image.Image) -> Encoding | Unknown | None:
    exif = image.getexif()
    space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
    index = str(exif.get_ifd(ExifTags.IFD.Interop).get(1, "")).rstrip("\0")
    # DCF 2.0's code of Adobe RGB; some cameras write ColorSpace 2 instead.
    if index == "R03" or space == 2:
        return ADOBE_RGB
    return Unknown("a colour space that EXIF calls uncalibrated") if space == 0xFFFF else None


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Chunks of a PNG file before its pixels: name, data."""
    place = 8
    while (name := content[place + 4 : place + 8]) not in (b"", b"IDAT"):
        (length,) = struct.unpack_from(">I", content, place)
        yield name, content[place + 8 : place + 8 + length]
        place += 12 + length


def in_srgb(image: Image.Image, space: Encoding | bytes | Unknown | None) -> tuple[Image.Image, str | None]:
    """Convert the RGB `image` to sRGB: the result and a note or None. space: as returned by `declared`.

    Images that cannot be converted are returned unchanged. Grey images remain grey.
    """
    if space is None:
        return image, None
    if isinstance(space, Unknown):
        return image, f"It declares {space.words}, which is not converted: colours may look different."
    if isinstance(space, bytes):
        return _by_profile(image, space)
    converted = _preserve_grey(Image.fromarray(_to_srgb(np.asarray(image), space)), image)
    return _with_note(image, converted, space.name)


def without_colour(pixels: np.ndarray) -> bool:
    """Whether all of `pixels`, RGB, (H, W, 3), are grey."""
    return all(np.array_equal(pixels[..., 0], pixels[..., channel]) for channel in (1, 2))


def _by_profile(image: Image.Image, profile: bytes) -> tuple[Image.Image, str | None]:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space not in ("RGB", "GRAY"):
            return image, f"Its colour profile, for {space}, was left out: colours may look different."
        source_image = image.convert("L") if space == "GRAY" else image
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), source_image.mode, "RGB")
        converted = transform.apply(source_image)
    except (OSError, ImageCms.PyCMSError):
        return image, "Its colour profile cannot be read and was left out: colours may look different."
    name = ImageCms.getProfileDescription(source).strip()
    return _with_note(image, _preserve_grey(converted, image), name)


def _preserve_grey(converted: Image.Image, image: Image.Image) -> Image.Image:
    return converted.convert("L").convert("RGB") if without_colour(np.asarray(image)) else converted


def _with_note(image: Image.Image, converted: Image.Image, name: str) -> tuple[Image.Image, str | None]:
    if cv2.absdiff(np.asarray(converted), np.asarray(image)).max() <= _ROUNDING:
        return image, None
    return converted, f"Its colours were converted to sRGB from {name}."


def _to_srgb(pixels: np.ndarray, space: Encoding) -> np.ndarray:
    """Convert `pixels`, uint8, (H, W, 3), from the encoding `space` to sRGB; colours out of gamut are clipped."""
    levels = np.arange(256) / 255
    linear = (_linear(levels) if space.gamma is None else levels**space.gamma).astype(np.float32)
    matrix = np.linalg.inv(_to_xyz(_SRGB)) @ _adaptation(space.primaries[0]) @ _to_xyz(space.primaries)
    converted = np.empty_like(pixels)
    # A few rows at a time, since floats take four times the memory of the image.
    for start in range(0, len(pixels), _ROWS):
        rows = linear[pixels[start : start + _ROWS]] @ matrix.T.astype(np.float32)
        converted[start : start + _ROWS] = np.rint(255 * _encoded(rows.clip(0, 1)))
    return converted


def _linear(values: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _encoded(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1, (1 - x - y) / y])


def _to_xyz(primaries: Chromaticities) -> np.ndarray:
    """Matrix from linear RGB to XYZ, with Y = 1 for white."""
    white, *colours = (_xyz(*point) for point in primaries)
    columns = np.stack(colours, axis=1)
    return columns * np.linalg.solve(columns, white)


def _adaptation(white: tuple[float, float]) -> np.ndarray:
    """Matrix in XYZ that adapts the white point `white` to that of sRGB."""
    before, after = _BRADFORD @ _xyz(*white), _BRADFORD @ _xyz(*_D65)
    return np.linalg.inv(_BRADFORD) @ np.diag(after / before) @ _BRADFORD

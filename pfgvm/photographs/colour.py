"""Colours of a photograph: as its file declares them, and converted to sRGB."""

import contextlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms

# Levels of 255 by which rounding moves colours that a profile does not.
_ROUNDING = 2
_D65 = (0.3127, 0.3290)
# x, y of white, red, green and blue. By the codes of ITU-T H.273: BT.709, whose primaries are sRGB's, BT.2020, P3.
_PRIMARIES = {
    1: (_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    9: (_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: (_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_SRGB = _PRIMARIES[1]
_TRANSFER_OF_SRGB = 13  # H.273
# Cone responses of Bradford's chromatic adaptation (ICC.1:2022, Annex E).
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_ROWS = 256

Chromaticities = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Encoding:
    """How numbers stand for colours: linear light is their power `gamma` (None: sRGB's curve), of the `primaries`.

    name: what a note calls it. primaries: x, y (CIE 1931) of white, red, green and blue.
    """

    name: str
    primaries: Chromaticities
    gamma: float | None = None


# Adobe RGB (1998) Color Image Encoding, 4.3.
ADOBE_RGB = Encoding("Adobe RGB (1998)", (_D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256)


@dataclass(frozen=True)
class Unknown:
    """A declaration that is not converted; `words` for a note: what it is."""

    words: str


def declared(content: bytes, image: Image.Image) -> Encoding | bytes | Unknown | None:
    """What the file `content`, opened as `image`, declares of its colours; bytes: an ICC profile; None: sRGB.

    Of several declarations that which its format puts first: in PNG (third edition, 4.3) cICP, an ICC profile, sRGB,
    then gAMA and cHRM; elsewhere a profile, then EXIF's ColorSpace and interoperability index. A file that declares
    nothing is taken for sRGB.
    """
    for find in (_of_png_codes, _of_profile, _of_avif_codes, _of_png_numbers, _of_exif):
        # Damaged metadata make Pillow raise nearly anything, and the pixels have been read.
        with contextlib.suppress(Exception):
            if (found := find(content, image)) is not None:
                return None if found == _AS_SRGB else found
    return None


_AS_SRGB = Encoding("sRGB", _SRGB)


def _of_profile(content: bytes, image: Image.Image) -> bytes | None:
    return image.info.get("icc_profile") or None


def _of_png_codes(content: bytes, image: Image.Image) -> Encoding | Unknown | None:
    codes = dict(_png_chunks(content)).get(b"cICP") if image.format == "PNG" else None
    return _by_codes(codes[0], codes[1]) if codes else None


def _of_avif_codes(content: bytes, image: Image.Image) -> Encoding | Unknown | None:
    place = content.find(b"colrnclx") if image.format == "AVIF" else -1
    return _by_codes(*struct.unpack_from(">HH", content, place + 8)) if place >= 0 else None


def _by_codes(primaries: int, transfer: int) -> Encoding | Unknown | None:
    if 2 in (primaries, transfer):  # unspecified
        return None
    if primaries in _PRIMARIES and transfer == _TRANSFER_OF_SRGB:
        name = {1: "sRGB", 9: "BT.2020's primaries", 12: "Display P3"}[primaries]
        return Encoding(name, _PRIMARIES[primaries])
    # BT.709's own curve: what is written with it is looked at as sRGB.
    if (primaries, transfer) in ((1, 1), (1, 6)):
        return _AS_SRGB
    return Unknown(f"the colour space of H.273's primaries {primaries} and transfer {transfer}")


def _of_png_numbers(content: bytes, image: Image.Image) -> Encoding | None:
    info = image.info if image.format == "PNG" else {}
    if "srgb" in info:
        return _AS_SRGB
    exponent, points = info.get("gamma"), info.get("chromaticity")
    # As programs write it for sRGB, whose curve is near it.
    gamma = 1 / exponent if exponent and abs(exponent - 1 / 2.2) > 0.005 else None
    primaries = tuple(zip(points[::2], points[1::2], strict=True)) if points and all(points[1::2]) else _SRGB
    if np.allclose(primaries, _SRGB, atol=0.002):
        primaries = _SRGB
    if gamma is None and primaries == _SRGB:
        return _AS_SRGB if exponent else None
    return Encoding("the gamma and primaries that its file states", primaries, gamma)


def _of_exif(content: bytes, image: Image.Image) -> Encoding | Unknown | None:
    exif = image.getexif()
    space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
    index = str(exif.get_ifd(ExifTags.IFD.Interop).get(1, "")).rstrip("\0")
    # DCF 2.0's name of Adobe RGB; some cameras write ColorSpace 2 in its place.
    if index == "R03" or space == 2:
        return ADOBE_RGB
    return Unknown("a colour space that EXIF calls uncalibrated") if space == 0xFFFF else None


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks before a PNG's pixels: name, data."""
    place = 8
    while (name := content[place + 4 : place + 8]) not in (b"", b"IDAT"):
        (length,) = struct.unpack_from(">I", content, place)
        yield name, content[place + 8 : place + 8 + length]
        place += 12 + length


def in_srgb(image: Image.Image, space: Encoding | bytes | Unknown | None) -> tuple[Image.Image, str | None]:
    """The RGB `image` in sRGB, and what to say of it, where there is something to say; space: as `declared` finds it.

    What cannot be converted stays as it is. A grey image stays grey.
    """
    if space is None:
        return image, None
    if isinstance(space, Unknown):
        return image, f"It declares {space.words}, which is not converted: colours may look different."
    if isinstance(space, bytes):
        return _by_profile(image, space)
    converted = _kept_grey(Image.fromarray(_to_srgb(np.asarray(image), space)), image)
    return _if_it_differs(image, converted, space.name)


def without_colour(pixels: np.ndarray) -> bool:
    """Whether all of `pixels`, RGB, (H, W, 3), are grey."""
    return all(np.array_equal(pixels[..., 0], pixels[..., channel]) for channel in (1, 2))


def _by_profile(image: Image.Image, profile: bytes) -> tuple[Image.Image, str | None]:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space not in ("RGB", "GRAY"):
            return image, f"Its colour profile, for {space}, was left out: colours may look different."
        given = image.convert("L") if space == "GRAY" else image
        found = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), given.mode, "RGB").apply(given)
    except (OSError, ImageCms.PyCMSError):
        return image, "Its colour profile cannot be read and was left out: colours may look different."
    name = ImageCms.getProfileDescription(source).strip()
    return _if_it_differs(image, _kept_grey(found, image), name)


def _kept_grey(converted: Image.Image, image: Image.Image) -> Image.Image:
    return converted.convert("L").convert("RGB") if without_colour(np.asarray(image)) else converted


def _if_it_differs(image: Image.Image, converted: Image.Image, name: str) -> tuple[Image.Image, str | None]:
    if cv2.absdiff(np.asarray(converted), np.asarray(image)).max() <= _ROUNDING:
        return image, None
    return converted, f"Its colours were converted to sRGB from {name}."


def _to_srgb(pixels: np.ndarray, space: Encoding) -> np.ndarray:
    """`pixels`, uint8, (H, W, 3), of the encoding `space` in sRGB; colours beyond it at its border."""
    levels = np.arange(256) / 255
    linear = (_linear(levels) if space.gamma is None else levels**space.gamma).astype(np.float32)
    matrix = np.linalg.inv(_to_xyz(_SRGB)) @ _adaptation(space.primaries[0]) @ _to_xyz(space.primaries)
    converted = np.empty_like(pixels)
    # A few rows at a time, since floats take four times the memory of a photograph.
    for start in range(0, len(pixels), _ROWS):
        rows = linear[pixels[start : start + _ROWS]] @ matrix.T.astype(np.float32)
        converted[start : start + _ROWS] = np.rint(255 * _encoded(rows.clip(0, 1)))
    return converted


def _linear(values: np.ndarray) -> np.ndarray:
    """sRGB's curve (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _encoded(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1, (1 - x - y) / y])


def _to_xyz(primaries: Chromaticities) -> np.ndarray:
    """The matrix from linear RGB to XYZ, in which white has Y = 1."""
    white, *colours = (_xyz(*point) for point in primaries)
    columns = np.stack(colours, axis=1)
    return columns * np.linalg.solve(columns, white)


def _adaptation(white: tuple[float, float]) -> np.ndarray:
    """The matrix in XYZ that takes the white point `white` to sRGB's."""
    before, after = _BRADFORD @ _xyz(*white), _BRADFORD @ _xyz(*_D65)
    return np.linalg.inv(_BRADFORD) @ np.diag(after / before) @ _BRADFORD

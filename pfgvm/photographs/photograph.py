"""A photograph of any size, as people keep them: from its file to numbers, and back to a PNG without metadata."""

import contextlib
import io
import warnings
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps

from pfgvm.faces.images import decode, picture_formats

# Levels of 255 by which rounding moves colours that a profile does not.
_ROUNDING = 2


@dataclass(frozen=True)
class Photograph:
    """An upright photograph in sRGB.

    pixels: uint8 RGB, (H, W, 3). alpha: uint8, (H, W), 0 where nothing is seen; None where nothing is transparent.
    notes: what became of its colours and its transparency, where something did: a sentence each.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def seen(self) -> np.ndarray:
        """What is seen of it on white, uint8 RGB, (H, W, 3)."""
        return self.pixels if self.alpha is None else np.asarray(_on_white(_layer(self)))


def read_photograph(content: bytes, name: str) -> Photograph:
    """The photograph in the file `content`, upright after its EXIF orientation, its colours converted to sRGB.

    Raises InputError, naming it `name`, for what `pfgvm.faces.images.decode` cannot read.
    """
    picture = decode(content, name)
    alpha, notes = None, []
    layer, profile = _layer_and_profile(content)
    if layer is not None:
        if _equal(_on_white(layer), picture):
            picture, alpha = layer.convert("RGB"), np.array(layer.getchannel("A"))
        else:
            notes.append("Transparency of its kind cannot be kept: it lies on white.")
    if profile:
        picture, note = _in_srgb(picture, profile)
        notes += [note] if note else []
    return Photograph(np.array(picture), alpha, tuple(notes))


def without_colour(pixels: np.ndarray) -> bool:
    """Whether all of `pixels`, RGB, (H, W, 3), are grey."""
    return all(np.array_equal(pixels[..., 0], pixels[..., channel]) for channel in (1, 2))


def png(photograph: Photograph) -> bytes:
    """The `photograph` as a PNG file that holds no metadata; with a single channel where it is grey."""
    layer = _layer(photograph)
    if without_colour(photograph.pixels):
        layer = layer.convert("L" if photograph.alpha is None else "LA")
    file = io.BytesIO()
    layer.save(file, "PNG")
    return file.getvalue()


def _layer(photograph: Photograph) -> Image.Image:
    layer = Image.fromarray(photograph.pixels)
    if photograph.alpha is not None:
        layer.putalpha(Image.fromarray(photograph.alpha))
    return layer


def _on_white(layer: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _equal(a: Image.Image, b: Image.Image) -> bool:
    return a.size == b.size and np.array_equal(np.asarray(a), np.asarray(b))


def _layer_and_profile(content: bytes) -> tuple[Image.Image | None, bytes | None]:
    """What `decode` leaves out: an upright RGBA layer, where the picture is transparent, and the colour profile."""
    layer, profile = None, None
    # Damaged metadata make Pillow raise nearly anything, and `decode` has read the pixels.
    with (
        contextlib.suppress(Exception),
        warnings.catch_warnings(action="ignore"),
        Image.open(io.BytesIO(content), formats=picture_formats()) as picture,
    ):
        profile = picture.info.get("icc_profile")
        if picture.has_transparency_data:
            layer = ImageOps.exif_transpose(picture).convert("RGBA")
    return layer, profile


def _in_srgb(picture: Image.Image, profile: bytes) -> tuple[Image.Image, str | None]:
    """The RGB `picture` in sRGB, and what to say of it, where there is something to say."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space not in ("RGB", "GRAY"):
            return picture, f"Its colour profile, for {space}, was left out: colours may look different."
        grey = without_colour(np.asarray(picture))
        given = picture.convert("L") if space == "GRAY" else picture
        srgb = ImageCms.createProfile("sRGB")
        found = ImageCms.buildTransform(source, srgb, given.mode, "RGB").apply(given)
        converted = found.convert("L").convert("RGB") if grey else found
    except (OSError, ImageCms.PyCMSError):
        return picture, "Its colour profile cannot be read and was left out: colours may look different."
    if cv2.absdiff(np.asarray(converted), np.asarray(picture)).max() <= _ROUNDING:
        return picture, None
    return converted, f"Its colours were converted to sRGB from {ImageCms.getProfileDescription(source).strip()}."

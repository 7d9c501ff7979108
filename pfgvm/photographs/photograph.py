"""Photos of any size: decoding, and encoding as PNG without metadata."""

import contextlib
import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image

from pfgvm.faces.images import decode, image_formats, turn_upright
from pfgvm.photographs.colour import Encoding, Unknown, declared, in_srgb, without_colour


@dataclass(frozen=True)
class Photograph:
    """An upright photo in sRGB.

    pixels: uint8 RGB, (H, W, 3). alpha: uint8, (H, W), 0 for transparent; None if no pixel is transparent.
    notes: one sentence for each change of its colours, transparency or frames.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def seen(self) -> np.ndarray:
        """The photo composited on white, uint8 RGB, (H, W, 3)."""
        return self.pixels if self.alpha is None else np.asarray(_on_white(_layer(self)))


def read_photograph(content: bytes, name: str) -> Photograph:
    """Decode the photo in the file `content`: upright by its EXIF orientation, in sRGB.

    Raises InputError, with the name `name`, for files that `pfgvm.faces.images.decode` rejects.
    """
    image = decode(content, name)
    alpha, notes = None, []
    layer, space, frames = _layer_space_and_frames(content)
    if frames > 1:
        notes.append(f"Its file contains {frames} frames; only the first one is protected and written.")
    if layer is not None:
        if _equal(_on_white(layer), image):
            image, alpha = layer.convert("RGB"), np.array(layer.getchannel("A"))
        else:
            notes.append("Transparency of this kind is not supported; the image is composited on white.")
    image, note = in_srgb(image, space)
    notes += [note] if note else []
    return Photograph(np.array(image), alpha, tuple(notes))


def png(photograph: Photograph) -> bytes:
    """Encode the `photograph` as PNG without metadata, with a single channel if it is grey."""
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


def _layer_space_and_frames(content: bytes) -> tuple[Image.Image | None, Encoding | bytes | Unknown | None, int]:
    """Upright RGBA layer (None if nothing is transparent), colour space, and number of frames."""
    layer, space, frames = None, None, 1
    # Pillow may raise any error for damaged metadata; `decode` has already read the pixels.
    with (
        contextlib.suppress(Exception),
        warnings.catch_warnings(action="ignore"),
        Image.open(io.BytesIO(content), formats=image_formats()) as image,
    ):
        space = declared(content, image)
        if image.has_transparency_data:
            turn_upright(image)
            layer = image.convert("RGBA")
        frames = getattr(image, "n_frames", 1)
    return layer, space, frames

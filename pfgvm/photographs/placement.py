"""Placement of aligned faces in a photo: from the photo to a frame, and of its perturbation back into the photo."""

import math
from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from pfgvm.attacks.common.smooth_fields import shaded
from pfgvm.evaluation.recognition.alignment import (
    celeba_points,
    inverse,
    of_part,
    part_seen,
    pixels_under,
    similarity,
    warped,
)
from pfgvm.evaluation.recognition.detection import Face

# Width of the fade-out of the perturbation, relative to the shorter side of a frame, against visible seams.
_FADE = 0.08
# Iterations that compensate the blur of interpolation; further ones have almost no effect.
_ROUNDS = 3
# Rows that are displaced at a time, since the fields take more memory than the photo.
_BAND = 512


def framed(pixels: np.ndarray, face: Face, image_size: tuple[int, int]) -> np.ndarray:
    """The `face` in CelebA's framing, from the pixels of a photo, uint8 RGB: float32 in [0, 1], (3, H, W).

    image_size: H, W. Border pixels are replicated outside the photo.
    """
    return _view(pixels, frame_of(face, image_size), image_size)


def shown(pixels: np.ndarray, face: Face, size: tuple[int, int], margin: float) -> np.ndarray:
    """The upright `face` for display, from the pixels of a photo, uint8 RGB: float32 in [0, 1], (3, H, W).

    size: H, W. margin: margin around CelebA's framing on each side, relative to its width and height; negative for a
    crop. White outside the photo.
    """
    frame = frame_of(face, size, margin)
    return np.where(_inside(frame, pixels.shape[:2], size), _view(pixels, frame, size), np.float32(1))


def _view(pixels: np.ndarray, frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.clip(warped(pixels, frame, size) / 255, 0, 1).transpose(2, 0, 1)


def frame_of(face: Face, image_size: tuple[int, int], margin: float = 0) -> np.ndarray:
    """2 x 3 matrix from points of the photo to points of `framed`, or of `shown` with a margin."""
    middle = (np.array([image_size[1], image_size[0]]) - 1) / 2
    return similarity(face.points, middle + (celeba_points(image_size) - middle) / (1 + 2 * margin))


def transfer_of(
    frame: np.ndarray, shape: tuple[int, int], image_size: tuple[int, int], *, grey: bool
) -> Callable[[Tensor], Tensor]:
    """Linear function from a perturbation of the frame, (1, 3, H, W), to that in a photo of `shape` (height, width).

    The attack differentiates through it. Otherwise it would miss its target in the photo, above all where the face has
    fewer pixels in the photo than in the frame.
    """
    weights = torch.from_numpy((_fade(image_size) * _inside(frame, shape, image_size)).astype(np.float32))
    scale = min(1, pixels_under(frame))
    over_rows, over_columns = (torch.from_numpy(_resolved(size, scale)) for size in image_size)

    def transfer(change: Tensor) -> Tensor:
        resolved = over_rows.to(change) @ change @ over_columns.to(change).T * weights.to(change)
        return resolved.mean(1, keepdim=True).expand_as(resolved) if grey else resolved

    return transfer


def _inside(frame: np.ndarray, shape: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Mask (H, W) of the frame's points inside a photo of `shape` (height, width)."""
    columns, rows = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
    x, y = np.tensordot(inverse(frame), np.stack([columns, rows, np.ones_like(rows)]), axes=1)
    return (x >= 0) & (x <= shape[1] - 1) & (y >= 0) & (y <= shape[0] - 1)


def _fade(image_size: tuple[int, int]) -> np.ndarray:
    """Weights (H, W) that rise from 0 at the border to 1."""
    over = max(1, round(_FADE * min(image_size)))
    to_border = [np.minimum(np.arange(size), np.arange(size)[::-1]) for size in image_size]
    rows, columns = (0.5 - 0.5 * np.cos(math.pi * np.minimum(1, distance / over)) for distance in to_border)
    return np.outer(rows, columns)


def _resolved(size: int, scale: float) -> np.ndarray:
    """Matrix (size, size) that downscales a line of `size` pixels by `scale` <= 1 and enlarges it again."""
    small = max(1, round(scale * size))
    shrink = cv2.resize(np.eye(size, dtype=np.float32), (size, small), interpolation=cv2.INTER_AREA)
    enlarge = cv2.resize(np.eye(small, dtype=np.float32), (small, size), interpolation=cv2.INTER_LINEAR)
    return enlarge @ shrink


def add(
    perturbation: np.ndarray, frame: np.ndarray, pixels: np.ndarray, shape_and_light: np.ndarray | None = None
) -> None:
    """Change `pixels`, uint8 RGB, so that their frame changes by `perturbation`, (H, W, 3), as closely as possible.

    shape_and_light: (H, W, 3), the displacement x, y in pixels of the frame and the shading, which the pixels undergo
    before; None for neither.
    """
    image_size = (perturbation.shape[0], perturbation.shape[1])
    rows, columns = part_seen(pixels.shape, frame, image_size)
    part, size = of_part(frame, columns.start, rows.start), (rows.stop - rows.start, columns.stop - columns.start)

    def in_photograph(change: np.ndarray) -> np.ndarray:
        return warped(change, inverse(part), size, cv2.BORDER_CONSTANT)

    # Interpolation to the photo and back blurs: the difference is added (Van Cittert's iteration).
    source, fade = perturbation, _fade(image_size)[..., None].astype(np.float32)
    for _ in range(_ROUNDS):
        source = source + fade * (perturbation - warped(in_photograph(source), part, image_size))
    # In place: for a large photo this is the largest array.
    change = in_photograph(source)
    change *= 255
    original = pixels[rows, columns]
    for top in range(0, size[0], _BAND):
        band = slice(top, min(top + _BAND, size[0]))
        change[band] += original[band] if shape_and_light is None else _changed(original, shape_and_light, part, band)
    pixels[rows, columns] = np.rint(change.clip(0, 255, out=change), out=change)


def _changed(pixels: np.ndarray, shape_and_light: np.ndarray, frame: np.ndarray, band: slice) -> np.ndarray:
    """The rows `band` of `pixels`, uint8, displaced and shaded at their own resolution: float32, (rows, width, 3)."""
    height, width = band.stop - band.start, pixels.shape[1]
    fields = warped(shape_and_light, inverse(of_part(frame, 0, band.start)), (height, width), cv2.BORDER_CONSTANT)
    # From pixels of the frame to pixels of the photo.
    x, y = np.moveaxis(fields[..., :2] @ inverse(frame)[:, :2].T.astype(np.float32), -1, 0)
    reach = math.ceil(np.abs(y).max()) + 2
    above, below = max(0, band.start - reach), min(len(pixels), band.stop + reach)
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    # The kernel of `displaced`, so that the photo's face is the attacked one.
    moved = cv2.remap(
        pixels[above:below].astype(np.float32), x + columns, y + rows + (band.start - above), cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return 255 * shaded(moved.clip(0, 255) / 255, fields[..., 2:])

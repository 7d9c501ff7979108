"""Pixelation, a conventional method named in the paper's introduction."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from pfgvm.attacks.common.arguments import checked_images, count
from pfgvm.attacks.common.context import Context
from pfgvm.errors import InputError

if TYPE_CHECKING:
    from pfgvm.settings import Attack


def pixelation(images: Tensor, *, blocks: int) -> Tensor:
    """Replace square blocks by their mean colour; blocks at the bottom may be cut off.

    A pixel belongs to the block that contains its centre. Block sides differ by one pixel if `blocks` does not divide
    the width.

    images: x, (B, C, H, W) in [0, 1]. blocks: number of blocks across the width, 1 … W.
    Returns images like `images`. Raises InputError for invalid arguments.
    """
    x, blocks = checked_images(images), count("blocks", blocks, least=1)
    height, width = x.shape[2:]
    if blocks > width:
        raise InputError(f"blocks must be at most the image width, {width}, not {blocks}; give a smaller number")
    pixelated = x.clone()
    for rows in _parts(height, blocks, width):
        for columns in _parts(width, blocks, width):
            # In float64, so that the summation order, which depends on the batch size, does not change the result.
            # On the CPU, since not every device supports float64.
            block = x[:, :, rows, columns].cpu().double()
            pixelated[:, :, rows, columns] = block.mean((2, 3), keepdim=True).to(x.dtype).to(x.device)
    return pixelated


def _parts(length: int, blocks: int, width: int) -> list[slice]:
    """Slices of the pixels 0 … `length` along one axis, one per block of length `width` / `blocks`."""
    block_of = (2 * np.arange(length) + 1) * blocks // (2 * width)
    edges = np.flatnonzero(np.diff(block_of)) + 1
    return [slice(*edge) for edge in itertools.pairwise([0, *edges.tolist(), length])]


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    return {"blocks": settings.pixelation.blocks}


def deidentify(context: Context, *, blocks: int) -> Tensor:
    """Apply `pixelation` to the images of `context`; the number of blocks falls with the strength."""
    return pixelation(context.images, blocks=max(1, round(blocks / context.strength)))

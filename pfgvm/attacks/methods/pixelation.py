"""Pixelation, one of the old ways that the paper's introduction names."""

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
    """Square blocks of one colour, the mean of what they cover; the last ones below may be cut off.

    A pixel belongs to the block in which its centre lies, so that sides differ by a pixel where they do not divide
    the width.

    images: x, (B, C, H, W) in [0, 1]. blocks: how many across the width, 1 … W.
    Returns images like x. Raises InputError for any argument that is none of this.
    """
    x, blocks = checked_images(images), count("blocks", blocks, least=1)
    height, width = x.shape[2:]
    if blocks > width:
        raise InputError(f"blocks must be at most the images' width, {width}, not {blocks}; a block is a pixel or more")
    pixelated = x.clone()
    for rows in _parts(height, blocks, width):
        for columns in _parts(width, blocks, width):
            # In float64, so that the order of the sum, which hangs on the batch's size, changes no bit of the result.
            # On the CPU: not every device has float64.
            block = x[:, :, rows, columns].cpu().double()
            pixelated[:, :, rows, columns] = block.mean((2, 3), keepdim=True).to(x.dtype).to(x.device)
    return pixelated


def _parts(length: int, blocks: int, width: int) -> list[slice]:
    """The pixels 0 … `length` of a row or a column, cut where the blocks end: each is `width` / `blocks` long."""
    block_of = (2 * np.arange(length) + 1) * blocks // (2 * width)
    edges = np.flatnonzero(np.diff(block_of)) + 1
    return [slice(*edge) for edge in itertools.pairwise([0, *edges.tolist(), length])]


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """What `deidentify` needs of the settings' section attack for `model`, A or B; fit for JSON."""
    return {"blocks": settings.pixelation.blocks}


def deidentify(context: Context, *, blocks: int) -> Tensor:
    """`pixelation` on the images of `context`: the stronger, the fewer blocks."""
    return pixelation(context.images, blocks=max(1, round(blocks / context.strength)))

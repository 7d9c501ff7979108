"""Views of images as a recogniser may frame them: each a little larger or smaller, and moved."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.attacks.common.features import View


def random_view(names: Sequence[str], *key: str | int, scale: float, shift: float) -> View:
    """Images seen at random scales and places, each drawn by (`key`, its name) alone.

    scale: a view shows an image enlarged or shrunk by up to so large a part of it. shift: moved along either axis by up
    to so large a part of its height or width. Sampled bilinearly; outside the image its outermost pixels go on.
    The view takes one image for each of `names`, (B, C, H, W). Its gradient is deterministic, which that of
    `grid_sample` is not on CUDA.
    """
    drawn = torch.from_numpy(np.array([seeding.rng(*key, name).uniform(-1, 1, 3) for name in names]).reshape(-1, 3))

    def view(images: Tensor) -> Tensor:
        growth = 1 + scale * drawn[:, 0]
        rows, columns = (
            _sampling(size, growth, shift * moved).to(images)[:, None]
            for size, moved in zip(images.shape[2:], drawn[:, 1:].T, strict=True)
        )
        return rows @ images @ columns.transpose(2, 3)

    return view


def _sampling(size: int, growth: Tensor, moved: Tensor) -> Tensor:
    """Weights, (B, size, size), of a line's pixels in each pixel of its view; growth, moved (in lines): (B,)."""
    middle, pixels = (size - 1) / 2, torch.arange(size)
    positions = middle + (pixels - middle) * growth[:, None] + size * moved[:, None]
    return (1 - (positions.clamp(0, size - 1)[:, :, None] - pixels).abs()).clamp(min=0)

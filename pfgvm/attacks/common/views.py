"""Random views of images: slightly scaled and shifted, as a recogniser may frame them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.attacks.common.features import View


def random_view(names: Sequence[str], *key: str | int, scale: float, shift: float) -> View:
    """View that scales and shifts each image at random, drawn by (`key`, image name) alone.

    scale: largest relative enlargement or reduction. shift: largest shift along either axis, relative to the height or
    width. Sampled bilinearly; border pixels are replicated outside the image.
    The view maps one image per name, (B, C, H, W), to the same shape. Its gradient is deterministic, unlike that of
    `grid_sample` on CUDA.
    """
    draws = torch.from_numpy(np.array([seeding.rng(*key, name).uniform(-1, 1, 3) for name in names]).reshape(-1, 3))

    def view(images: Tensor) -> Tensor:
        growth = 1 + scale * draws[:, 0]
        rows, columns = (
            _sampling(size, growth, shift * offset).to(images)[:, None]
            for size, offset in zip(images.shape[2:], draws[:, 1:].T, strict=True)
        )
        return rows @ images @ columns.transpose(2, 3)

    return view


def _sampling(size: int, growth: Tensor, offset: Tensor) -> Tensor:
    """Interpolation matrices (B, size, size) along one axis; growth and offset (relative to the axis): (B,)."""
    middle, pixels = (size - 1) / 2, torch.arange(size)
    positions = middle + (pixels - middle) * growth[:, None] + size * offset[:, None]
    return (1 - (positions.clamp(0, size - 1)[:, :, None] - pixels).abs()).clamp(min=0)

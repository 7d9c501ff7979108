"""A black bar over the eyes, one of the old ways that the paper's introduction names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pfgvm.attacks.common.arguments import checked_images
from pfgvm.attacks.common.context import Context
from pfgvm.faces.geometry import CELEBA_POINTS, CELEBA_SIZE

if TYPE_CHECKING:
    from pfgvm.settings import Attack

# How far the bar reaches beyond the eyes' centres, in distances between them: to the temples, and over the brows.
BESIDE, ABOVE = 0.5, 0.3


def masking(images: Tensor) -> Tensor:
    """`images`, black in a bar over both eyes, placed where CelebA's aligned faces have theirs.

    images: x, (B, C, H, W) in [0, 1], faces framed as CelebA's, of any size.
    Returns images like x. Raises InputError for images that are none of this.
    """
    x = checked_images(images)
    left, right = np.array(CELEBA_POINTS[:2])
    reach = np.array([BESIDE, ABOVE]) * np.linalg.norm(right - left)
    low, high = np.minimum(left, right) - reach, np.maximum(left, right) + reach
    columns, rows = (_between(low[i], high[i], x.shape[3 - i], CELEBA_SIZE[1 - i]) for i in range(2))
    return x.masked_fill((rows[:, None] & columns).to(x.device), 0)


def _between(low: float, high: float, size: int, celeba_size: int) -> Tensor:
    """Which of `size` pixels, rows or columns, have their centres between two positions in CelebA's image."""
    # Images of two sizes share their edges, not their pixel centres.
    positions = (np.arange(size) + 0.5) * celeba_size / size - 0.5
    return torch.from_numpy((low <= positions) & (positions <= high))


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """None."""
    return {}


def deidentify(context: Context) -> Tensor:
    """`masking` on the images of `context`."""
    return masking(context.images)

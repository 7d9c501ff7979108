"""Masking, a conventional method named in the paper's introduction: a black bar over the eyes."""

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

# Extent of the bar beyond the eye centres, in eye distances: to the temples, and above the brows.
BESIDE, ABOVE = 0.5, 0.3


def masking(images: Tensor) -> Tensor:
    """Draw a black bar over both eyes, at their position in CelebA's aligned faces.

    images: x, (B, C, H, W) in [0, 1], faces in CelebA's framing at any size.
    Returns images like `images`. Raises InputError for invalid images.
    """
    x = checked_images(images)
    left, right = np.array(CELEBA_POINTS[:2])
    reach = np.array([BESIDE, ABOVE]) * np.linalg.norm(right - left)
    low, high = np.minimum(left, right) - reach, np.maximum(left, right) + reach
    columns, rows = (_between(low[i], high[i], x.shape[3 - i], CELEBA_SIZE[1 - i]) for i in range(2))
    return x.masked_fill((rows[:, None] & columns).to(x.device), 0)


def _between(low: float, high: float, size: int, celeba_size: int) -> Tensor:
    """Mask of the `size` rows or columns whose centres lie between two positions in CelebA's image."""
    # Images of different sizes share their edges, not their pixel centres.
    positions = (np.arange(size) + 0.5) * celeba_size / size - 0.5
    return torch.from_numpy((low <= positions) & (positions <= high))


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify`: none."""
    return {}


def deidentify(context: Context) -> Tensor:
    """Apply `masking` to the images of `context`."""
    return masking(context.images)

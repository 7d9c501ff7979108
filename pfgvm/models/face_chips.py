"""Chips: the input of a face network, from aligned faces in CelebA's framing."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from pfgvm.faces.geometry import CELEBA_POINTS, CELEBA_SIZE


class Chips(nn.Module):
    """Aligned faces (B, 3, *image_size) in CelebA's framing to square chips (B, 3, chip_size, chip_size).

    One fixed warp for every image: the least-squares similarity without rotation from the network's template to
    CelebA's mean landmarks (see `chip_placement`), sampled bilinearly; where a chip is smaller than the image under
    it, several samples per chip pixel are averaged. Without rotation the warp is separable: two small matrix products,
    whose gradient is deterministic (unlike that of `grid_sample` on CUDA). The chip must lie inside the image.

    template: five landmarks (x, y), (5, 2), as in `chip_placement`. image_size: (height, width); CelebA's framing at
    any scale.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, template: np.ndarray, chip_size: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        scale, left, top = chip_placement(template)
        self.under_rows, rows = _sampling(scale, top, chip_size, image_size[0], CELEBA_SIZE[0])
        self.under_columns, columns = _sampling(scale, left, chip_size, image_size[1], CELEBA_SIZE[1])
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns.T.contiguous(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Chips of `images`, in the same value range."""
        # pixels outside the chip have weight 0; omitting them halves the time
        return self.rows @ (images[..., self.under_rows, self.under_columns] @ self.columns)


def chip_placement(template: np.ndarray) -> tuple[float, float, float]:
    """Position of the chip in a 218 x 178 image: (scale, left, top).

    image point = scale * chip point + (left, top). Chip points run from 0 to the chip's size between its edges,
    image points count pixel centres from 0. The three numbers minimise the squared distances between the
    transformed landmarks `template`, chip points of shape (5, 2), and CelebA's mean landmarks.
    """
    landmarks = np.array(CELEBA_POINTS)
    spread = template - template.mean(axis=0)
    scale = (spread * landmarks).sum() / (spread**2).sum()
    left, top = landmarks.mean(axis=0) - scale * template.mean(axis=0)
    return float(scale), float(left), float(top)


def _sampling(scale: float, start: float, chip_size: int, size: int, celeba_size: int) -> tuple[slice, Tensor]:
    """Rows (or columns) of an image under its chip, and their interpolation weights (chip_size, rows)."""
    samples = max(1, math.ceil(scale * size / celeba_size))
    in_celeba = scale * (np.arange(samples * chip_size) + 0.5) / samples + start
    # images of different sizes share their edges, not their pixel centres
    positions = (in_celeba + 0.5) * size / celeba_size - 0.5
    weights = np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(size)))
    weights = weights.reshape(chip_size, samples, size).mean(axis=1)
    used = np.flatnonzero(weights.any(axis=0))
    under = slice(int(used[0]), int(used[-1]) + 1)
    return under, torch.from_numpy(weights[:, under].astype(np.float32))

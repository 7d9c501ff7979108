"""Smooth fields over an image, from the control points of a cubic B-spline; displacement and shading by them.

Free-form deformation (Rueckert et al. 1999): a coarse grid of control points gives a field of continuous curvature.
"""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

T = TypeVar("T", np.ndarray, Tensor)
# Displacement of a control point, relative to the spacing of the grid, up to which no two points of the image meet
# (Choi and Lee 2000, Theorem 1: 1 / 2.046392).
INJECTIVE = 0.4886
# Rings of control points that remain 0, so that a field, its slope and its curvature vanish at the image's border.
_BORDER = 3


class SmoothField:
    """A field over images of `image_size` (height, width), with one control point per corner of `cells` cells.

    cells: number of cells along height and width. The grid has 3 control points more than cells along each axis.
    """

    def __init__(self, image_size: tuple[int, int], cells: tuple[int, int]) -> None:
        self.shape = (cells[0] + 3, cells[1] + 3)
        # Height and width of a cell in pixels.
        self.spacing = (image_size[0] / cells[0], image_size[1] / cells[1])
        self._rows, self._columns = (_basis(*pair) for pair in zip(image_size, cells, strict=True))

    def __call__(self, points: Tensor) -> Tensor:
        """Values (B, C, H, W) at the centres of all pixels, from control points (B, C, *shape)."""
        return self._rows.to(points) @ points @ self._columns.to(points).T

    def adjoint(self, values: Tensor) -> Tensor:
        """Sum of `values`, (B, C, H, W), around each control point, weighted by its spline: (B, C, *shape)."""
        return self._rows.to(values).T @ values @ self._columns.to(values)

    def inner(self) -> Tensor:
        """1 for control points that may move, 0 for those near the border: (*shape,)."""
        mask = torch.zeros(self.shape)
        mask[_BORDER:-_BORDER, _BORDER:-_BORDER] = 1
        return mask


def _basis(size: int, cells: int) -> Tensor:
    """Cubic B-splines (size, cells + 3) at the centres of `size` pixels, of control points from −1 to cells + 1."""
    at = (np.arange(size) + 0.5) / size * cells
    distance = np.abs(at[:, None] - np.arange(-1, cells + 2))
    near, far = 2 / 3 - distance**2 + distance**3 / 2, (2 - distance).clip(0) ** 3 / 6
    return torch.from_numpy(np.where(distance < 1, near, far).astype(np.float32))


def displaced(images: Tensor, displacement: Tensor) -> Tensor:
    """Images whose pixel p shows what `images` shows at p + displacement, sampled bicubically, in [0, 1].

    images: (B, C, H, W) in [0, 1]. displacement: (B, 2, H, W), x and y in pixels. Border pixels are replicated.
    """
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device)[:, None]
    columns = torch.arange(width, device=images.device)
    x, y = (2 * (columns + displacement[:, 0]) + 1) / width - 1, (2 * (rows + displacement[:, 1]) + 1) / height - 1
    sampled = grid_sample(
        images, torch.stack([x, y], dim=-1), mode="bicubic", padding_mode="border", align_corners=False
    )
    return sampled.clamp(0, 1)


def shaded(images: T, shading: T) -> T:
    """x + 2 S x (1 − x): mid-grey changes by the part S, black and white not at all (Guo et al. 2020, Equation 1).

    A plain factor 1 + S would turn overexposed skin grey. images: x in [0, 1]. shading: S, which broadcasts to the
    images; below 0.5 in absolute value, darker pixels remain darker and the result lies in [0, 1].
    """
    return images + 2 * shading * images * (1 - images)

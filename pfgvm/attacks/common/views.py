"""Random views of images: the variation between photos and between the crops of recognisers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.attacks.common.arguments import count, share, switch
from pfgvm.attacks.common.features import View


@dataclass(frozen=True)
class Views:
    """Settings of the random views of one step.

    count: number of views, ≥ 1. scale: largest relative enlargement or reduction. shift: largest shift along either
    axis, relative to the height or width. Both lie in [0, 1]. mirror: whether a view is mirrored with probability 1/2.
    Raises InputError for invalid values; its message names `count` as `views`.
    """

    count: int
    scale: float
    shift: float
    mirror: bool

    def __post_init__(self) -> None:
        count("views", self.count, least=1)
        switch("mirror", self.mirror)
        for name in ("scale", "shift"):
            share(name, getattr(self, name))

    def draw(self, names: Sequence[str], seed: int, step: int) -> list[View]:
        """Draw the views of iteration `step`; those of an image depend on (seed, step, its name) alone.

        A view maps one image per name, (B, C, H, W), to the same shape. Images are sampled bilinearly, with
        border pixels replicated outside. The gradient of a view is deterministic, unlike that of `grid_sample` on CUDA.
        """
        return [self._view(names, seed, "view", step, number) for number in range(self.count)]

    def _view(self, names: Sequence[str], *key: str | int) -> View:
        draws = np.array([seeding.rng(*key, name).uniform(-1, 1, 4) for name in names])
        growth, down, right, side = torch.from_numpy(draws.reshape(-1, 4).T)
        growth = 1 + self.scale * growth
        across = growth * side.sign() if self.mirror else growth

        def view(images: Tensor) -> Tensor:
            height, width = images.shape[2:]
            rows = _sampling(height, growth, self.shift * down).to(images)[:, None]
            columns = _sampling(width, across, self.shift * right).to(images)[:, None]
            return rows @ images @ columns.transpose(2, 3)

        return view


def _sampling(size: int, growth: Tensor, offset: Tensor) -> Tensor:
    """Interpolation matrices (B, size, size) along one axis; growth and offset (relative to the axis): (B,).

    A negative growth mirrors the axis.
    """
    middle, pixels = (size - 1) / 2, torch.arange(size)
    positions = middle + (pixels - middle) * growth[:, None] + size * offset[:, None]
    return (1 - (positions.clamp(0, size - 1)[:, :, None] - pixels).abs()).clamp(min=0)

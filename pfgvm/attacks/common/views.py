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
    axis, relative to the height or width. mirror: whether each view is mirrored with probability 1/2. contrast,
    brightness: largest relative change of contrast about mid-grey, and largest change of brightness. All except count
    and mirror lie in [0, 1].
    Raises InputError for invalid values; its message names `count` as `views`.
    """

    count: int
    scale: float
    shift: float
    mirror: bool
    contrast: float
    brightness: float

    def __post_init__(self) -> None:
        count("views", self.count, least=1)
        switch("mirror", self.mirror)
        for name in ("scale", "shift", "contrast", "brightness"):
            share(name, getattr(self, name))

    def draw(self, names: Sequence[str], seed: int, step: int) -> list[View]:
        """Draw the views of iteration `step`; those of an image depend on (seed, step, its name) alone.

        A view maps one image per name, (B, C, H, W), to the same shape; its values may leave [0, 1]. Images are sampled
        bilinearly, with border pixels replicated outside. The gradient of a view is deterministic, unlike that of
        `grid_sample` on CUDA.
        """
        return [self._view(names, seed, "view", step, number) for number in range(self.count)]

    def _view(self, names: Sequence[str], *key: str | int) -> View:
        draws = np.array([seeding.rng(*key, name).uniform(-1, 1, 6) for name in names])
        growth, down, right, side, a, b = torch.from_numpy(draws.reshape(-1, 6).T)
        growth = 1 + self.scale * growth
        across = growth * side.sign() if self.mirror else growth
        gain, offset = (1 + self.contrast * a).view(-1, 1, 1, 1), (self.brightness * b).view(-1, 1, 1, 1)

        def view(images: Tensor) -> Tensor:
            height, width = images.shape[2:]
            rows = _sampling(height, growth, self.shift * down).to(images)[:, None]
            columns = _sampling(width, across, self.shift * right).to(images)[:, None]
            sampled = rows @ images @ columns.transpose(2, 3)
            return gain.to(images) * (sampled - 0.5) + 0.5 + offset.to(images)

        return view


def _sampling(size: int, growth: Tensor, offset: Tensor) -> Tensor:
    """Interpolation matrices (B, size, size) along one axis; growth and offset (relative to the axis): (B,).

    A negative growth mirrors the axis.
    """
    middle, pixels = (size - 1) / 2, torch.arange(size)
    positions = middle + (pixels - middle) * growth[:, None] + size * offset[:, None]
    return (1 - (positions.clamp(0, size - 1)[:, :, None] - pixels).abs()).clamp(min=0)

"""The control: noise that is as large as an attack's perturbation, but knows no model. Not in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.attacks.common.arguments import checked_images, checked_noise, checked_norms
from pfgvm.attacks.common.context import Context
from pfgvm.errors import InputError

if TYPE_CHECKING:
    from pfgvm.settings import Attack

_PER_IMAGE = (-1, 1, 1, 1)


def random_equal_l2(images: Tensor, noise: Tensor, l2: Tensor) -> Tensor:
    """Π[0,1](x + s·noise), with s for each image such that its perturbation has the given L2 norm after clipping.

    It shows how much of a misclassification rate any perturbation of that size would reach.

    images: x, (B, C, H, W) in [0, 1]. noise: its direction, such as Gaussian noise, (B, C, H, W), of any scale.
    l2: the norms to reach, (B,), at least 0. Returns images like x, their norms as near as x's type can hold them.
    Raises InputError for arguments that are none of this, and for a norm that is not reached even where the noise takes
    every pixel to 0 or 1.
    """
    images, noise, l2 = checked_images(images), checked_noise(noise, images), checked_norms(l2, images)
    return _at_distance(_in_float64(images), _in_float64(noise), _in_float64(l2)).to(images.dtype).to(images.device)


def _in_float64(values: Tensor) -> Tensor:
    # On the CPU: not every device has float64.
    return values.cpu().double()


def _at_distance(x: Tensor, noise: Tensor, l2: Tensor) -> Tensor:
    """`random_equal_l2` in float64."""

    def moved(scale: Tensor) -> Tensor:
        return (x + scale.view(_PER_IMAGE) * noise).clamp(0, 1)

    def norm(scale: Tensor) -> Tensor:
        return (moved(scale) - x).flatten(1).norm(dim=1)

    low, high = torch.zeros_like(l2), _upper_bound(x, noise, l2)
    # The norm grows with s: halving the interval finds it to the last bits of a float32.
    for _ in range(60):
        middle = (low + high) / 2
        short = norm(middle) < l2
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    return moved(high)


def _upper_bound(x: Tensor, noise: Tensor, l2: Tensor) -> Tensor:
    """A scale for each image, (B,), at which its perturbation is no smaller than `l2`; all in float64."""
    room = _room(x, noise)
    furthest = room.flatten(1).norm(dim=1)
    if (beyond := furthest < l2).any():
        index = int(beyond.nonzero()[0])
        raise InputError(
            f"l2 of image {index} is {l2[index]:.6g}, but this noise moves it by at most {furthest[index]:.6g} before "
            "all pixels are 0 or 1; give a smaller norm or other noise"
        )
    smallest = torch.finfo(noise.dtype).tiny
    usual = 4 * l2 / noise.flatten(1).norm(dim=1).clamp(min=smallest)
    saturating = (room / noise.abs().clamp(min=smallest)).flatten(1).amax(dim=1)
    reached = ((x + usual.view(_PER_IMAGE) * noise).clamp(0, 1) - x).flatten(1).norm(dim=1)
    return torch.where(reached < l2, saturating, usual)


def _room(x: Tensor, noise: Tensor) -> Tensor:
    """How far `noise` can move each value of x before it is 0 or 1."""
    return torch.where(noise == 0, 0, torch.where(noise > 0, 1 - x, x))


def random_control(images: Tensor, protected: Tensor, names: Sequence[str], *, seed: int) -> Tensor:
    """`images` under Gaussian noise of the L2 norm that `protected` has: what any change of that size would do.

    images, protected: (B, C, H, W) in [0, 1]. names: B of them; noise is drawn by (seed, name). Where the norm is
    larger than noise can make it, which is that of no small change, the noise is as large as it can be.
    """
    drawn = [seeding.rng(seed, "random", name).standard_normal(tuple(images.shape[1:])) for name in names]
    x, noise = _in_float64(images), torch.from_numpy(np.stack(drawn)).float().double()
    l2 = (_in_float64(protected) - x).flatten(1).norm(dim=1)
    furthest = _room(x, noise).flatten(1).norm(dim=1)
    return _at_distance(x, noise, torch.minimum(l2, furthest)).to(images.dtype).to(images.device)


def deidentify(context: Context, *, seed: int) -> Tensor:
    """`random_control` on the images of `context`, against its reference."""
    return random_control(context.images, context.reference, context.names, seed=seed)


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """What `deidentify` needs of the settings' section attack for `model`, A or B; fit for JSON."""
    return {"seed": settings.seed}

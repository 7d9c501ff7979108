"""Random control: noise with the L2 norm of an attack's perturbation, without a model. Not in the paper."""

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
    """Noisy images Π[0,1](x + s·noise), with s per image such that the clipped perturbation has the given L2 norm.

    Its misclassification rate is the baseline for any perturbation of that norm.

    images: x, (B, C, H, W) in [0, 1]. noise: direction, such as Gaussian noise, (B, C, H, W), at any scale.
    l2: norms to reach, (B,), ≥ 0. Returns the perturbed images, like `images`; their norms match within the precision
    of that type. Raises InputError for invalid arguments, and for a norm that remains out of reach with every pixel at
    0 or 1.
    """
    images, noise, l2 = checked_images(images), checked_noise(noise, images), checked_norms(l2, images)
    return _at_distance(_in_float64(images), _in_float64(noise), _in_float64(l2)).to(images.dtype).to(images.device)


def _in_float64(values: Tensor) -> Tensor:
    # On the CPU, since not every device supports float64.
    return values.cpu().double()


def _at_distance(x: Tensor, noise: Tensor, l2: Tensor) -> Tensor:
    """`random_equal_l2` in float64."""

    def perturbed(scale: Tensor) -> Tensor:
        return (x + scale.view(_PER_IMAGE) * noise).clamp(0, 1)

    def norm(scale: Tensor) -> Tensor:
        return (perturbed(scale) - x).flatten(1).norm(dim=1)

    low, high = torch.zeros_like(l2), _upper_bound(x, noise, l2)
    # The norm grows with s: 60 bisections reach the precision of float32.
    for _ in range(60):
        middle = (low + high) / 2
        too_small = norm(middle) < l2
        low, high = torch.where(too_small, middle, low), torch.where(too_small, high, middle)
    return perturbed(high)


def _upper_bound(x: Tensor, noise: Tensor, l2: Tensor) -> Tensor:
    """Scale per image, (B,), at which the norm of the perturbation is at least `l2`; all in float64."""
    room = _room(x, noise)
    furthest = room.flatten(1).norm(dim=1)
    if (beyond := furthest < l2).any():
        index = int(beyond.nonzero()[0])
        raise InputError(
            f"l2 of image {index} is {l2[index]:.6g}, but this noise reaches at most {furthest[index]:.6g}, with "
            "all pixels at 0 or 1; give a smaller norm or other noise"
        )
    smallest = torch.finfo(noise.dtype).tiny
    usual = 4 * l2 / noise.flatten(1).norm(dim=1).clamp(min=smallest)
    saturating = (room / noise.abs().clamp(min=smallest)).flatten(1).amax(dim=1)
    reached = ((x + usual.view(_PER_IMAGE) * noise).clamp(0, 1) - x).flatten(1).norm(dim=1)
    return torch.where(reached < l2, saturating, usual)


def _room(x: Tensor, noise: Tensor) -> Tensor:
    """Distance of each value of x to 0 or 1 in the direction of `noise`."""
    return torch.where(noise == 0, 0, torch.where(noise > 0, 1 - x, x))


def random_control(images: Tensor, protected: Tensor, names: Sequence[str], *, seed: int) -> Tensor:
    """`images` with Gaussian noise of the L2 norm of `protected` − `images`.

    images, protected: (B, C, H, W) in [0, 1]. names: B image names; noise is drawn by (seed, name). If the norm is out
    of reach for noise, which no small perturbation is, the largest possible norm is used.
    """
    draws = [seeding.rng(seed, "random", name).standard_normal(tuple(images.shape[1:])) for name in names]
    x, noise = _in_float64(images), torch.from_numpy(np.stack(draws)).float().double()
    l2 = (_in_float64(protected) - x).flatten(1).norm(dim=1)
    furthest = _room(x, noise).flatten(1).norm(dim=1)
    return _at_distance(x, noise, torch.minimum(l2, furthest)).to(images.dtype).to(images.device)


def deidentify(context: Context, *, seed: int) -> Tensor:
    """Apply `random_control` to the images of `context` with the norms of its reference."""
    return random_control(context.images, context.reference, context.names, seed=seed)


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    return {"seed": settings.seed}

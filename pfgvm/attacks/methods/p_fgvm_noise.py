"""P-FGVM from Gaussian noise (Section 3, Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.attacks.common.arguments import checked_names, finite, non_negative
from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.gradient import Model
from pfgvm.attacks.methods import p_fgvm as without_noise
from pfgvm.attacks.methods.p_fgvm import p_fgvm

if TYPE_CHECKING:
    from pfgvm.settings import Attack


def gaussian_start(images: Tensor, names: Sequence[str], *, seed: int, mean: float, std: float) -> Tensor:
    """Start x̃₀ ~ N(mean, std²) of each image, drawn by (seed, name) alone: like `images`, not clipped.

    images: (B, C, H, W); only shape, type and device matter. names: B image names. std ≥ 0.
    Raises InputError for invalid arguments.
    """
    μ, σ = finite("mean", mean), non_negative("std", std)
    shape = tuple(images.shape)
    noise = [seeding.rng(seed, "noise", name).normal(μ, σ, shape[1:]) for name in checked_names(names, images)]
    # Reshaped, since without images the shape of `noise` is unknown.
    return torch.from_numpy(np.array(noise).reshape(shape)).to(images.dtype).to(images.device)


def p_fgvm_noise(
    model: Model,
    images: Tensor,
    targets: Tensor,
    names: Sequence[str],
    *,
    step_size: float,
    iterations: int,
    penalty: float,
    seed: int,
    mean: float,
    std: float,
) -> Tensor:
    """P-FGVM from Gaussian noise: `p_fgvm` with x̃₀ = `gaussian_start(images, names, …)`.

    Arguments and errors as for these two functions. Returns x̃_N, like `images`.
    """
    start = gaussian_start(images, names, seed=seed, mean=mean, std=std)
    return p_fgvm(model, images, targets, step_size=step_size, iterations=iterations, penalty=penalty, start=start)


def deidentify(context: Context, **parameters: Any) -> Tensor:
    """Apply `p_fgvm_noise` to the images of `context`."""
    return p_fgvm_noise(context.model, context.images, context.targets, context.names, **parameters)


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    noise = settings.p_fgvm_noise
    return {**without_noise.parameters(settings, model), "seed": settings.seed, "mean": noise.mean, "std": noise.std}


def noise_images(settings: Attack, names: Sequence[str]) -> list[str]:
    """The attacked images, among `names`, that start from noise: a random draw of attack.p_fgvm_noise.images."""
    return seeding.shuffled(names, settings.seed, "noise images")[: settings.p_fgvm_noise.images]

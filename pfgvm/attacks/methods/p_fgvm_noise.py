"""P-FGVM from Gaussian noise (Section 3, Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.attacks.common.arguments import checked_names, finite, non_negative
from pfgvm.attacks.common.gradient import Model
from pfgvm.attacks.common.method import Batch, Method
from pfgvm.attacks.methods.p_fgvm import METHOD as P_FGVM
from pfgvm.attacks.methods.p_fgvm import p_fgvm

if TYPE_CHECKING:
    from pfgvm.settings import Attack


def gaussian_start(images: Tensor, names: Sequence[str], *, seed: int, mean: float, std: float) -> Tensor:
    """x̃₀ ~ N(mean, std²) for each image, drawn by (seed, name) alone: like `images`, not clipped.

    images: (B, C, H, W), of which only shape, type and device count. names: B names. std ≥ 0.
    Raises InputError for any argument that is none of this.
    """
    μ, σ = finite("mean", mean), non_negative("std", std)
    shape = tuple(images.shape)
    drawn = [seeding.rng(seed, "noise", name).normal(μ, σ, shape[1:]) for name in checked_names(names, images)]
    # The shape is given, since without images there is none to be seen in `drawn`.
    return torch.from_numpy(np.array(drawn).reshape(shape)).to(images.dtype).to(images.device)


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
    """P-FGVM that starts from noise: `p_fgvm` with x̃₀ = `gaussian_start(images, names, …)`.

    The arguments are those of the two. Returns x̃_N, like `images`; raises InputError as they do.
    """
    start = gaussian_start(images, names, seed=seed, mean=mean, std=std)
    return p_fgvm(model, images, targets, step_size=step_size, iterations=iterations, penalty=penalty, start=start)


def _deidentify(batch: Batch, **parameters: Any) -> Tensor:
    return p_fgvm_noise(batch.model, batch.images, batch.targets, batch.names, **parameters)


def _parameters(settings: Attack, model: str) -> dict[str, Any]:
    noise = settings.p_fgvm_noise
    return {**P_FGVM.parameters(settings, model), "seed": settings.seed, "mean": noise.mean, "std": noise.std}


def _chosen(settings: Attack, names: list[str]) -> list[str]:
    return seeding.shuffled(names, settings.seed, "noise images")[: settings.p_fgvm_noise.images]


METHOD = Method("P-FGVM (noise)", _deidentify, _parameters, chosen=_chosen)

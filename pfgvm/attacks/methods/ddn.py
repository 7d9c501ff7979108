"""DDN, a minimum-norm attack. Not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.attacks.common.adv_lib import load, nearest_of_target
from pfgvm.attacks.common.arguments import count
from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.gradient import Model

if TYPE_CHECKING:
    from pfgvm.settings import Attack

# Just above the norm below which adv-lib treats a gradient as zero.
_NO_GRADIENT = 1e-11


def ddn(model: Model, images: Tensor, targets: Tensor, *, iterations: int) -> Tensor:
    """Decoupling Direction and Norm, a minimum-norm attack in L2 (Rony et al., CVPR 2019), by adv-lib.

    Each step follows the gradient of the cross-entropy. The norm shrinks by 5 % if the target is reached and grows by
    5 % otherwise.

    model: any callable from images (B, C, H, W) in [0, 1] to logits (B, classes); a module runs in eval mode and is
    restored afterwards. images: x, (B, C, H, W) in [0, 1]. targets: ỹ, (B,) class indices. iterations: N ≥ 0.
    Returns x̃, like `images`; an image whose target is not reached is returned unchanged. Raises InputError for invalid
    arguments, and if adv-lib is not installed.
    """
    # No quantisation during the search, as in the other methods.
    settings = {"steps": count("iterations", iterations), "levels": None}
    return nearest_of_target(_deterministic_ddn, model, images, targets, **settings)


def _deterministic_ddn(model: Model, images: Tensor, *arguments: Any, **settings: Any) -> Tensor:
    """adv-lib's DDN with a fixed direction for images whose gradient is zero.

    adv-lib draws that direction for the whole batch from the global random numbers.
    """
    noise = torch.from_numpy(seeding.rng("ddn", "direction").standard_normal(tuple(images.shape[1:])))
    direction = (noise / noise.norm()).to(images)

    def with_gradient(gradient: Tensor) -> Tensor:
        is_zero = gradient.flatten(1).norm(dim=1) < _NO_GRADIENT
        return torch.where(is_zero.view(-1, 1, 1, 1), direction, gradient)

    def logits(x_adv: Tensor) -> Tensor:
        x_adv = x_adv.clone()
        x_adv.register_hook(with_gradient)
        return model(x_adv)

    return load("ddn")(logits, images, *arguments, **settings)


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    return {"iterations": settings.ddn.iterations}


def deidentify(context: Context, **parameters: Any) -> Tensor:
    """Apply `ddn` to the images of `context`."""
    return ddn(context.model, context.images, context.targets, **parameters)

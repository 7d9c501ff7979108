"""I-FGVM, the baseline attack with gradient-value steps (Section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pfgvm.attacks.common.arguments import checked_images, checked_targets, count, positive
from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.gradient import Model, loss_gradient

if TYPE_CHECKING:
    from pfgvm.settings import Attack


def i_fgvm(
    model: Model,
    images: Tensor,
    targets: Tensor,
    *,
    step_size: float,
    iterations: int,
    epsilon: float,
) -> Tensor:
    """Iterative Fast Gradient Value Method (Section 2):

        x̃₀ = x,  x̃ᵢ₊₁ = Π[0,1]( Π[x−ε, x+ε]( x̃ᵢ − α ∇ℓ(x̃ᵢ, ỹ) ) )

    model: any callable from images (B, C, H, W) in [0, 1] to logits (B, classes); a module runs in eval mode and is
    restored afterwards. images: x, (B, C, H, W) in [0, 1]. targets: ỹ, (B,) class indices.
    step_size: α > 0. iterations: N ≥ 0. epsilon: ε > 0, in pixel values (Table 2).
    Returns x̃_N, like `images`. Raises InputError for invalid arguments.
    """
    α, ε = positive("step_size", step_size), positive("epsilon", epsilon)
    iterations = count("iterations", iterations)
    x = checked_images(images)
    x_adv = x.clone()
    with loss_gradient(model, checked_targets(targets, x)) as gradient:
        for _ in range(iterations):
            x_adv = torch.clamp(x_adv - α * gradient(x_adv), x - ε, x + ε).clamp(0, 1)
    return x_adv


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    return {
        "step_size": settings.i_fgvm.step_size[model],
        "iterations": settings.i_fgvm.iterations[model],
        "epsilon": settings.i_fgvm.epsilon[model],
    }


def deidentify(context: Context, **parameters: Any) -> Tensor:
    """Apply `i_fgvm` to the images of `context`."""
    return i_fgvm(context.model, context.images, context.targets, **parameters)

"""I-FGSM, the baseline attack with signed gradient steps (Section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pfgvm.attacks.common.arguments import checked_images, checked_targets, count, positive
from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.gradient import Model, loss_gradient

if TYPE_CHECKING:
    from pfgvm.settings import Attack


def i_fgsm(
    model: Model,
    images: Tensor,
    targets: Tensor,
    *,
    iterations: int,
    epsilon: float,
    step_size: float | None = None,
) -> Tensor:
    """Iterative Fast Gradient Sign Method (Section 2):

        x̃₀ = x,  x̃ᵢ₊₁ = Π[0,1]( Π[x−ε, x+ε]( x̃ᵢ − α sign ∇ℓ(x̃ᵢ, ỹ) ) )

    model: any callable from images (B, C, H, W) in [0, 1] to logits (B, classes); a module runs in eval mode and is
    restored afterwards. images: x, (B, C, H, W) in [0, 1]. targets: ỹ, (B,) class indices.
    iterations: N ≥ 0. epsilon: ε > 0, in pixel values. step_size: α > 0; None: ε / N (Table 2).
    Returns x̃_N, like `images`. Raises InputError for invalid arguments.
    """
    ε, iterations = positive("epsilon", epsilon), count("iterations", iterations)
    α = ε / max(iterations, 1) if step_size is None else positive("step_size", step_size)
    x = checked_images(images)
    x_adv = x.clone()
    with loss_gradient(model, checked_targets(targets, x)) as gradient:
        for _ in range(iterations):
            x_adv = torch.clamp(x_adv - α * gradient(x_adv).sign(), x - ε, x + ε).clamp(0, 1)
    return x_adv


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    return {"iterations": settings.i_fgsm.iterations[model], "epsilon": settings.i_fgsm.epsilon[model]}


def deidentify(context: Context, **parameters: Any) -> Tensor:
    """Apply `i_fgsm` to the images of `context`."""
    return i_fgsm(context.model, context.images, context.targets, **parameters)

"""P-FGVM, the paper's method (Section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from pfgvm.attacks.common.arguments import checked_images, checked_start, checked_targets, count, non_negative, positive
from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.gradient import Model, loss_gradient

if TYPE_CHECKING:
    from pfgvm.settings import Attack


def p_fgvm(
    model: Model,
    images: Tensor,
    targets: Tensor,
    *,
    step_size: float,
    iterations: int,
    penalty: float,
    start: Tensor | None = None,
) -> Tensor:
    """Penalized Fast Gradient Value Method (Section 3):

        x̃₀ = x,  x̃ᵢ₊₁ = Π[0,1]( x̃ᵢ − α (∇ℓ(x̃ᵢ, ỹ) + λ (x̃ᵢ − x)) )

    model: any callable from images (B, C, H, W) in [0, 1] to logits (B, classes); a module runs in eval mode and is
    restored afterwards. images: x, (B, C, H, W) in [0, 1]. targets: ỹ, (B,) class indices.
    step_size: α > 0. iterations: N ≥ 0. penalty: λ ≥ 0 (Table 2). start: x̃₀ if it is not x, such as Gaussian
    noise (Figure 2) or an earlier iterate.
    Returns x̃_N, like `images`. Raises InputError for invalid arguments.
    """
    α, λ = positive("step_size", step_size), non_negative("penalty", penalty)
    iterations = count("iterations", iterations)
    x = checked_images(images)
    x_adv = x.clone() if start is None else checked_start(start, x).clone()
    with loss_gradient(model, checked_targets(targets, x)) as gradient:
        for _ in range(iterations):
            x_adv = (x_adv - α * (gradient(x_adv) + λ * (x_adv - x))).clamp(0, 1)
    return x_adv


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    return {
        "step_size": settings.p_fgvm.step_size[model],
        "iterations": settings.p_fgvm.iterations[model],
        "penalty": settings.penalty[model],
    }


def deidentify(context: Context, **parameters: Any) -> Tensor:
    """Apply `p_fgvm` to the images of `context`."""
    return p_fgvm(context.model, context.images, context.targets, **parameters)

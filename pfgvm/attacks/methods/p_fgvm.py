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
    """Penalized Fast Gradient Value Method, after Section 3:

        x̃₀ = x,  x̃ᵢ₊₁ = Π[0,1]( x̃ᵢ − α (∇ℓ(x̃ᵢ, ỹ) + λ (x̃ᵢ − x)) )

    model: any callable from images in [0, 1], (B, C, H, W), to logits, (B, classes); a module is used in eval mode and
    left as it was. images: x, (B, C, H, W) in [0, 1]. targets: ỹ, (B,) class indices.
    step_size: α > 0. iterations: N ≥ 0. penalty: λ ≥ 0 (Table 2). start: x̃₀ where it is not x, such as Gaussian noise
    (Figure 2); an iterate as start continues from it.
    Returns x̃_N, like `images`. Raises InputError for any argument that is none of this.
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
    """What `deidentify` needs of the settings' section attack for `model`, A or B; fit for JSON."""
    return {
        "step_size": settings.p_fgvm.step_size[model],
        "iterations": settings.p_fgvm.iterations[model],
        "penalty": settings.penalty[model],
    }


def deidentify(context: Context, **parameters: Any) -> Tensor:
    """`p_fgvm` on the images of `context`."""
    return p_fgvm(context.model, context.images, context.targets, **parameters)

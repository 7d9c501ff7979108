"""I-FGVM, the baseline that steps along the gradient's values (Section 2)."""

import torch
from torch import Tensor

from pfgvm.attacks.gradient import loss_gradient
from pfgvm.twins import Model, for_attack


def i_fgvm(
    model: Model,
    images: Tensor,
    targets: Tensor,
    *,
    step_size: float,
    iterations: int,
    epsilon: float,
) -> Tensor:
    """Iterative Fast Gradient Value Method, after Section 2:

        x̃₀ = x,  x̃ᵢ₊₁ = Π[0,1]( Π[x−ε, x+ε]( x̃ᵢ − α ∇ℓ(x̃ᵢ, ỹ) ) )

    model: images in [0, 1], (B, 3, H, W), to logits, (B, classes); used as at evaluation and left as it was.
    images: x, (B, 3, H, W) in [0, 1]. targets: ỹ, (B,) class indices.
    step_size: α > 0. iterations: N ≥ 0. epsilon: ε > 0, in pixel values (Table 2). Returns x̃_N, like `images`.
    """
    α, ε = step_size, epsilon
    model = for_attack(model)
    x = x_adv = images.detach()
    for _ in range(iterations):
        gradient = loss_gradient(model, x_adv, targets)
        x_adv = torch.clamp(x_adv - α * gradient, x - ε, x + ε).clamp(0, 1)
    return x_adv

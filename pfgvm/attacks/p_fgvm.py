"""P-FGVM, the paper's method (Section 3)."""

from torch import Tensor

from pfgvm.attacks.gradient import loss_gradient
from pfgvm.twins import Model, for_attack


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

    model: images in [0, 1], (B, 3, H, W), to logits, (B, classes); used as at evaluation and left as it was.
    images: x, (B, 3, H, W) in [0, 1]. targets: ỹ, (B,) class indices.
    step_size: α > 0. iterations: N ≥ 0. penalty: λ ≥ 0 (Table 2). start: x̃₀ where it is not x, such as Gaussian noise
    (Figure 2); an iterate as start continues from it. Returns x̃_N, like `images`.
    """
    α, λ = step_size, penalty
    model = for_attack(model)
    x = images.detach()
    x_adv = x if start is None else start.detach()
    for _ in range(iterations):
        gradient = loss_gradient(model, x_adv, targets)
        x_adv = (x_adv - α * (gradient + λ * (x_adv - x))).clamp(0, 1)
    return x_adv

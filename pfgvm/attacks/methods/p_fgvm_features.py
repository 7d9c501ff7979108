"""P-FGVM on the features of face descriptors, instead of one classifier's classes. Not in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.attacks.common.arguments import checked_images, checked_names, count, non_negative, positive, share
from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.features import FeatureExtractor, feature_gradient
from pfgvm.attacks.common.views import random_view
from pfgvm.attacks.common.visual_weights import held_back, hiding

if TYPE_CHECKING:
    from pfgvm.settings import Attack

# Mean absolute value of ĝ: with λ = 1 a steady gradient changes a pixel by a hundredth of its range in the mean.
_UNIT = 0.01
# Standard deviation of n: at x itself the distance of the features has no gradient.
_START = 0.002


def p_fgvm_features(
    descriptors: Sequence[FeatureExtractor],
    images: Tensor,
    names: Sequence[str],
    *,
    step_size: float,
    iterations: int,
    penalty: float,
    views: int,
    scale: float,
    shift: float,
    masking: float,
    chroma: float,
    seed: int,
) -> Tensor:
    """P-FGVM away from what face descriptors φ see on the original, in the symbols of Section 3:

        x̃₀ = x + n,  x̃ᵢ₊₁ = Π[0,1]( x̃ᵢ − α ( ĝᵢ + λ (x̃ᵢ − x) ) ),  ĝ = 0.01 g / mean|g|
        g = w^γ ⊙ C( Σ_T ∇ −Σ_φ ‖φ(T(x̃)) − φ(x)‖₂ / ‖φ(x)‖₂ )

    T are random views, drawn anew for each image and step; w is how much of a change each pixel hides (`hiding`); C
    holds colour back; n is Gaussian noise of standard deviation 0.002.

    descriptors: any callables φ from images in [0, 1], (B, C, H, W), to features, (B, F); a module is used in eval mode
    and left as it was. images: x, (B, C, H, W) in [0, 1]. names: B of them; all randomness is drawn by (seed, name).
    step_size: α > 0. iterations: N ≥ 0. penalty: λ ≥ 0. views: T a step, at least 1. scale, shift: of the views, in
    [0, 1], see `random_view`. masking: γ ≥ 0; 0 leaves w out. chroma: the part of the gradient's colour that is kept,
    in [0, 1].
    Returns x̃_N, like `images`. Raises InputError for any argument that is none of this.
    """
    α, λ = positive("step_size", step_size), non_negative("penalty", penalty)
    iterations, views = count("iterations", iterations), count("views", views, least=1)
    scale, shift, chroma = share("scale", scale), share("shift", shift), share("chroma", chroma)
    γ = non_negative("masking", masking)
    x = checked_images(images)
    checked_names(names, x)
    if not len(x):
        return x.clone()
    drawn = [seeding.rng(seed, "features, start", name).normal(0, _START, tuple(x.shape[1:])) for name in names]
    x_adv = (x + torch.from_numpy(np.array(drawn)).to(x)).clamp(0, 1)
    w = hiding(x) ** γ
    with feature_gradient(descriptors, x) as gradient:
        for step in range(iterations):
            seen = [random_view(names, seed, "view", step, n, scale=scale, shift=shift) for n in range(views)]
            g = w * held_back(torch.stack([gradient(x_adv, view) for view in seen]).sum(dim=0), chroma)
            smallest = torch.finfo(g.dtype).tiny
            ĝ = _UNIT * g / g.abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=smallest)
            x_adv = (x_adv - α * (ĝ + λ * (x_adv - x))).clamp(0, 1)
    return x_adv


def deidentify(context: Context, *, descriptors: Sequence[str], **parameters: Any) -> Tensor:
    """`p_fgvm_features` on the images of `context`, away from the descriptors of these names."""
    return p_fgvm_features(context.descriptors(descriptors), context.images, context.names, **parameters)


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """What `deidentify` needs of the settings' section attack for `model`, A or B; fit for JSON."""
    chosen = settings.p_fgvm_features
    return {
        "descriptors": chosen.descriptors,
        "step_size": chosen.step_size,
        "iterations": chosen.iterations,
        "penalty": chosen.penalty,
        "views": chosen.views,
        "scale": chosen.scale,
        "shift": chosen.shift,
        "masking": chosen.masking,
        "chroma": chosen.chroma,
        "seed": settings.seed,
    }

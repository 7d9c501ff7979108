"""P-FGVM (features): P-FGVM on the features of face descriptors. Not in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.attacks.common.arguments import checked_images, checked_names, count, non_negative, positive, share
from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.features import FeatureExtractor, feature_gradient, unit_mean
from pfgvm.attacks.common.views import Views
from pfgvm.attacks.common.visual_weights import masking_weights, reduced_chroma

if TYPE_CHECKING:
    from pfgvm.settings import Attack

# Mean absolute value of ĝ: with λ = 1 a constant gradient perturbs pixels by 0.01 on average.
_UNIT = 0.01
# Standard deviation of n: at x itself the feature distance has no gradient.
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
    mirror: bool,
    masking: float,
    chroma: float,
    seed: int,
) -> Tensor:
    """P-FGVM with the negative feature distance on face descriptors φ as loss, in the symbols of Section 3:

        x̃₀ = x + n,  x̃ᵢ₊₁ = Π[0,1]( x̃ᵢ − α ( ĝᵢ + λ (x̃ᵢ − x) ) ),  ĝ = 0.01 g / mean|g|
        g = w^γ ⊙ C( Σ_φ g_φ / mean|g_φ| ),  g_φ = Σ_T ∇ −‖φ(T(x̃)) − φ(x)‖₂

    T are random views, drawn for each image and step (`Views`); w are the weights of visual masking
    (`masking_weights`); C scales the chroma of the gradient (`reduced_chroma`); n is Gaussian noise of standard
    deviation 0.002.

    descriptors: callables φ from images (B, C, H, W) in [0, 1] to features (B, F); modules run in eval mode and are
    restored afterwards. images: x, (B, C, H, W) in [0, 1]. names: B image names; all draws depend on (seed, name).
    step_size: α > 0. iterations: N ≥ 0. penalty: λ ≥ 0. views: number of views T per step, ≥ 1. scale, shift: of
    the views, in [0, 1]; mirror: whether views are mirrored at random (see `Views`). masking: exponent γ ≥ 0 of visual
    masking; 0 disables it. chroma: share of the gradient's chroma that remains, in [0, 1].
    Returns x̃_N, like `images`. Raises InputError for invalid arguments.
    """
    α, λ = positive("step_size", step_size), non_negative("penalty", penalty)
    iterations, γ, chroma = count("iterations", iterations), non_negative("masking", masking), share("chroma", chroma)
    random_views = Views(views, scale, shift, mirror)
    x = checked_images(images)
    checked_names(names, x)
    if not len(x):
        return x.clone()
    noise = [seeding.rng(seed, "features, start", name).normal(0, _START, tuple(x.shape[1:])) for name in names]
    x_adv = (x + torch.from_numpy(np.array(noise)).to(x)).clamp(0, 1)
    w = masking_weights(x) ** γ
    with feature_gradient(descriptors, x) as gradient:
        for step in range(iterations):
            g = w * reduced_chroma(gradient(x_adv, random_views.draw(names, seed, step)), chroma)
            g_hat = _UNIT * unit_mean(g)
            x_adv = (x_adv - α * (g_hat + λ * (x_adv - x))).clamp(0, 1)
    return x_adv


def deidentify(context: Context, *, descriptors: Sequence[str], **parameters: Any) -> Tensor:
    """Apply `p_fgvm_features` to the images of `context` with the named descriptors."""
    return p_fgvm_features(context.descriptors(descriptors), context.images, context.names, **parameters)


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    return settings.p_fgvm_features.model_dump() | {"seed": settings.seed}

"""Gaussian blur, a conventional method named in the paper's introduction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from scipy import ndimage
from torch import Tensor

from pfgvm.attacks.common.arguments import checked_images, positive
from pfgvm.attacks.common.context import Context

if TYPE_CHECKING:
    from pfgvm.settings import Attack


def gaussian_blur(images: Tensor, *, sigma: float) -> Tensor:
    """Blur each channel with a Gaussian (SciPy), truncated at 4 σ, with mirrored borders.

    images: x, (B, C, H, W) in [0, 1]. sigma: σ > 0, relative to the image width.
    Returns images like `images`. Raises InputError for invalid arguments.
    """
    x, σ = checked_images(images), positive("sigma", sigma)
    pixels = x.cpu().double().numpy()
    blurred = ndimage.gaussian_filter(pixels, σ * x.shape[3], axes=(2, 3), mode="reflect")
    # The weights sum to 1 only up to rounding.
    return torch.from_numpy(blurred).clamp(0, 1).to(x)


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    return {"sigma": settings.gaussian_blur.sigma}


def deidentify(context: Context, *, sigma: float) -> Tensor:
    """Apply `gaussian_blur` to the images of `context`; σ grows with the strength."""
    return gaussian_blur(context.images, sigma=context.strength * sigma)

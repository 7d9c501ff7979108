"""Gaussian blur, one of the old ways that the paper's introduction names."""

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
    """Each colour convolved with a Gaussian, by SciPy: cut off at 4 σ, the image mirrored at its borders.

    images: x, (B, C, H, W) in [0, 1]. sigma: σ > 0 in widths of the image.
    Returns images like x. Raises InputError for any argument that is none of this.
    """
    x, σ = checked_images(images), positive("sigma", sigma)
    pixels = x.cpu().double().numpy()
    blurred = ndimage.gaussian_filter(pixels, σ * x.shape[3], axes=(2, 3), mode="reflect")
    # The weights sum to 1 but for rounding.
    return torch.from_numpy(blurred).clamp(0, 1).to(x)


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """What `deidentify` needs of the settings' section attack for `model`, A or B; fit for JSON."""
    return {"sigma": settings.gaussian_blur.sigma}


def deidentify(context: Context, *, sigma: float) -> Tensor:
    """`gaussian_blur` on the images of `context`: the stronger, the wider."""
    return gaussian_blur(context.images, sigma=context.strength * sigma)

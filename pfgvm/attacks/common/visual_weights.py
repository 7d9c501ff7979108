"""Visual weights: where an image hides a perturbation, and the reduction of chroma."""

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from pfgvm.attacks.common.smooth_fields import SmoothField

# Gaussian window of MSSIM (Wang et al. 2004): standard deviation and radius in pixels.
_SIGMA, _RADIUS = 1.5, 5
# Constant c₂ = (0.03 L)² of MSSIM, for a data range L = 1.
_C2 = 0.03**2
# Slope of brightness, relative to its mean over the image, up to which a displacement has its full weight.
_FLAT = 0.3
# Upper limit, so that a few sharp edges do not take the whole perturbation.
_MOST = 4.0


def masking_weights(images: Tensor) -> Tensor:
    """Visual masking weight of each pixel, (B, 1, H, W): mean 1 per image, then limited to 4.

    images: (B, C, H, W) in [0, 1]. The weight is 2σ² + c₂ of MSSIM (Wang et al. 2004), where σ² is the local variance
    of the mean over channels. Noise of variance ν² lowers the similarity of a pixel by about ν² / (2σ² + c₂). For a
    gradient g, a perturbation proportional to (2σ² + c₂) g therefore costs the least similarity for its gain.
    """
    grey = images.mean(dim=1, keepdim=True)
    # The border is mirrored, so a smaller image needs a smaller window.
    window = [2 * min(_RADIUS, pixels - 1) + 1 for pixels in (grey.shape[3], grey.shape[2])]
    mean, square = (gaussian_blur(values, window, [_SIGMA, _SIGMA]) for values in (grey, grey**2))
    weight = 2 * (square - mean**2).clamp(min=0) + _C2
    return (weight / weight.mean(dim=(1, 2, 3), keepdim=True)).clamp(max=_MOST)


def smoothness_weights(images: Tensor, field: SmoothField) -> Tensor:
    """Weight of the displacement at each control point of `field`, (B, 1, *field.shape), at most 1.

    images: (B, C, H, W) in [0, 1]. The weight is 1 where the slope of brightness is small, such as on skin. Elsewhere
    it is inverse to the slope, since people notice bent hair, glasses and lines of the background first.
    """
    grey = images.mean(dim=1, keepdim=True)
    down, right = torch.diff(grey, dim=2, append=grey[:, :, -1:]), torch.diff(grey, dim=3, append=grey[:, :, :, -1:])
    slope = field.adjoint(torch.hypot(down, right)) / field.adjoint(torch.ones_like(grey))
    return (_FLAT / (slope / slope.mean(dim=(2, 3), keepdim=True)).clamp(min=_FLAT)).nan_to_num(1)


def reduced_chroma(perturbation: Tensor, chroma: float) -> Tensor:
    """`perturbation`, (B, C, H, W), with its chroma scaled by `chroma` in [0, 1]: 0 is grey, 1 is unchanged."""
    grey = perturbation.mean(dim=1, keepdim=True)
    return grey + chroma * (perturbation - grey)

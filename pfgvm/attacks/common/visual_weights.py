"""Weights of visual masking, and the reduction of chroma."""

from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

# Gaussian window of MSSIM (Wang et al. 2004): standard deviation and radius in pixels.
_SIGMA, _RADIUS = 1.5, 5
# Constant c₂ = (0.03 L)² of MSSIM, for a data range L = 1.
_C2 = 0.03**2
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


def reduced_chroma(perturbation: Tensor, chroma: float) -> Tensor:
    """`perturbation`, (B, C, H, W), with its chroma scaled by `chroma` in [0, 1]: 0 is grey, 1 is unchanged."""
    grey = perturbation.mean(dim=1, keepdim=True)
    return grey + chroma * (perturbation - grey)

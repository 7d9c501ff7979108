"""Where, and in which colours, a change of an image is least seen."""

from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

# The window of MSSIM (Wang et al. 2004): a Gaussian of this standard deviation, cut so many pixels from its middle.
_SIGMA, _RADIUS = 1.5, 5
# Its constant c₂ = (0.03 L)², for a data range L of 1.
_C2 = 0.03**2
# A few sharp edges would else take all of the change.
_MOST = 4.0


def hiding(images: Tensor) -> Tensor:
    """How much of a change each pixel hides in its surroundings: (B, 1, H, W), 1 in an image's mean before the cut.

    images: (B, C, H, W) in [0, 1]. The weight is 2σ² + c₂ of MSSIM (Wang et al. 2004), σ² being the local variance of
    the mean over the colours: noise of variance ν² takes about ν² / (2σ² + c₂) of a pixel's similarity, so a gradient g
    costs the least similarity for what it gains where the change is in proportion to (2σ² + c₂) g. Cut off at 4.
    """
    grey = images.mean(dim=1, keepdim=True)
    # The image is mirrored beyond its edge, so a smaller one has a smaller window.
    window = [2 * min(_RADIUS, pixels - 1) + 1 for pixels in (grey.shape[3], grey.shape[2])]
    mean, square = (gaussian_blur(values, window, [_SIGMA, _SIGMA]) for values in (grey, grey**2))
    weight = 2 * (square - mean**2).clamp(min=0) + _C2
    return (weight / weight.mean(dim=(1, 2, 3), keepdim=True)).clamp(max=_MOST)


def held_back(change: Tensor, chroma: float) -> Tensor:
    """`change`, (B, C, H, W), with the part `chroma`, in [0, 1], of its colour: at 0 it is grey, at 1 as it was."""
    grey = change.mean(dim=1, keepdim=True)
    return grey + chroma * (change - grey)

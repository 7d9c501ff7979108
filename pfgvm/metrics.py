"""How far de-identified images lie from their originals: L2, L∞ and MSSIM by two protocols (Table 3)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d


def l2(images: Tensor, originals: Tensor) -> Tensor:
    """‖x̃ − x‖₂ over all values of an image, summed in float64.

    images, originals: (B, 3, H, W) in [0, 1]; returns (B,), float64.
    """
    return (images.double() - originals.double()).flatten(1).norm(dim=1)


def linf(images: Tensor, originals: Tensor) -> Tensor:
    """‖x̃ − x‖∞: the largest change of one value of an image.

    images, originals: (B, 3, H, W) in [0, 1]; returns (B,), float64.
    """
    return (images.double() - originals.double()).flatten(1).abs().amax(dim=1)


@torch.no_grad()
def mssim(images: Tensor, originals: Tensor) -> tuple[Tensor, Tensor]:
    """Mean structural similarity by two protocols; the mean is over the channels too.

    Wang's, as Wang et al. (2004) define it: Gaussian window of σ = 1.5, population covariance, data range 1.
    The legacy one, scikit-image's default when the paper was written: 7 x 7 uniform window, sample covariance, and a
    data range of 2, as if images spanned [-1, 1]. The paper's SI values fit its L2 values under it.

    images, originals: (B, 3, H, W) in [0, 1], H and W at least 11, float32; on any device.
    Returns Wang's and the legacy one, (B,) each, within 1e-6 of scikit-image in float64; they carry no gradient.
    """
    few = (values.flatten(0, 1).split(_CHANNELS_AT_ONCE) for values in (images, originals))
    by_channel = torch.cat([_mssim(*pairs) for pairs in zip(*few)])
    wang, legacy = by_channel.view(-1, images.shape[1], 2).mean(1).unbind(1)
    return wang, legacy


# They fill a CPU's vector, and its caches hold them.
_CHANNELS_AT_ONCE = 16


@dataclass(frozen=True)
class _Protocol:
    kernels: tuple[Tensor, ...]
    """Applied one after the other, they are the window."""
    data_range: float
    bessel: float
    """What turns a population covariance into the protocol's."""


def _window(weights: Tensor) -> Tensor:
    # Rounded so that they sum to 1 exactly in float32 as well: else a flat area has a variance.
    weights = (weights / weights.sum() * 2**24).round() / 2**24
    weights[len(weights) // 2] += 1 - weights.sum()
    return weights.float()


_GAUSSIAN = _window(torch.exp(-torch.arange(-5.0, 6.0).double().square() / (2 * 1.5**2)))
_WANG = _Protocol((_GAUSSIAN[:, None], _GAUSSIAN[None, :]), 1, 1)
# So few weights are applied sooner in one pass than in two.
_LEGACY = _Protocol((_window(torch.ones(49).double()).view(7, 7),), 2, 49 / 48)


def _mssim(images: Tensor, originals: Tensor) -> Tensor:
    """Both protocols' MSSIM of pairs of channels, (C, H, W): (C, 2)."""
    # With the channels innermost in memory a filter of each by itself is quickest.
    x_adv, x = (values[None].contiguous(memory_format=torch.channels_last) for values in (images, originals))
    # Of the sum s = x̃ + x and the difference d = x̃ − x of two images, both factors of SSIM have the form
    # (p_s − p_d + 2C) / (p_s + p_d + 2C) = 1 − 2 p_d / (p_s + p_d + 2C), p being squared means or variances. A small d
    # stays exact in float32, where the textbook's covariance is lost between large numbers. s is taken from its middle,
    # 1, for the same reason.
    moments = torch.empty((4, *images.shape), device=images.device, memory_format=torch.channels_last)
    s, d, *_ = moments.split(1)
    torch.add(x_adv, x, out=s).sub_(1)
    torch.sub(x_adv, x, out=d)
    torch.square(moments[:2], out=moments[2:])
    return torch.stack([_similarity(moments, protocol) for protocol in (_WANG, _LEGACY)], dim=1)


def _similarity(moments: Tensor, protocol: _Protocol) -> Tensor:
    c1, c2 = (2 * (k * protocol.data_range) ** 2 for k in (0.01, 0.03))
    c2 /= protocol.bessel
    # Every pass over the images counts, so the arithmetic is done in place.
    means, variances = _filtered(moments, protocol.kernels).split(2)
    variances.addcmul_(means, means, value=-1)
    mean_s, mean_d, variance_s, variance_d = *means, *variances
    mean_s.add_(1)
    squared_d = mean_d.square_()
    squares = torch.addcmul(squared_d, mean_s, mean_s, out=mean_s).add_(c1)
    structure = variance_d.div_(variance_s.add_(variance_d).add_(c2))
    # SSIM = (1 − 2 luminance)(1 − 2 structure) = 1 − 2 (structure + luminance (1 − 2 structure)), where luminance is
    # squared_d / squares.
    squared_d.addcmul_(squared_d, structure, value=-2)
    return 1 - 2 * torch.addcdiv(structure, squared_d, squares, out=variance_s).mean((1, 2))


def _filtered(values: Tensor, kernels: tuple[Tensor, ...]) -> Tensor:
    channels = values.shape[1]
    for kernel in kernels:
        weights = kernel.to(values.device).expand(channels, 1, *kernel.shape).contiguous()
        values = conv2d(values, weights, groups=channels)
    return values

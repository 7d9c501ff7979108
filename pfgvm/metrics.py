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


def mssim(images: Tensor, originals: Tensor) -> tuple[Tensor, Tensor]:
    """Mean structural similarity by two protocols; the mean is over the channels too.

    Wang's, as Wang et al. (2004) define it: Gaussian window of σ = 1.5, population covariance, data range 1.
    The legacy one, scikit-image's default when the paper was written: 7 x 7 uniform window, sample covariance, and a
    data range of 2, as if images spanned [-1, 1]. The paper's SI values fit its L2 values under it.

    images, originals: (B, 3, H, W) in [0, 1], H and W at least 11, float32; on any device.
    Returns Wang's and the legacy one, (B,) each, within 1e-6 of scikit-image in float64.
    """
    few = zip(images.split(_PAIRS_AT_ONCE), originals.split(_PAIRS_AT_ONCE))
    wang, legacy = zip(*(_mssim(*pairs) for pairs in few))
    return torch.cat(wang), torch.cat(legacy)


# 48 channels fill a CPU's vectors evenly, and its caches hold them.
_PAIRS_AT_ONCE = 16


@dataclass(frozen=True)
class _Protocol:
    window: Tensor
    """Its weights along one axis; the window is their outer product."""
    data_range: float
    bessel: float
    """What turns a population covariance into the protocol's."""


def _window(weights: Tensor) -> Tensor:
    # Rounded so that they sum to 1 exactly in float32 as well: else a flat area has a variance.
    weights = (weights / weights.sum() * 2**24).round() / 2**24
    weights[len(weights) // 2] += 1 - weights.sum()
    return weights.float()


_WANG = _Protocol(_window(torch.exp(-torch.arange(-5.0, 6.0).double().square() / (2 * 1.5**2))), 1, 1)
_LEGACY = _Protocol(_window(torch.ones(7).double()), 2, 49 / 48)


def _mssim(images: Tensor, originals: Tensor) -> tuple[Tensor, Tensor]:
    # Of the sum s = x̃ + x and the difference d = x̃ − x of two images, both factors of SSIM have the form
    # (p_s − p_d + 2C) / (p_s + p_d + 2C) = 1 − 2 p_d / (p_s + p_d + 2C), p being squared means or variances. A small d
    # stays exact in float32, where the textbook's covariance is lost between large numbers. s is taken from its middle,
    # 1, for the same reason.
    x_adv, x = (_as_channels(values) for values in (images, originals))
    s, d = (x_adv + x).sub_(1), x_adv - x
    moments = (s, d, s * s, d * d)
    wang, legacy = (_similarity(moments, protocol).view(len(images), -1).mean(1) for protocol in (_WANG, _LEGACY))
    return wang, legacy


def _as_channels(images: Tensor) -> Tensor:
    """(B, 3, H, W) as one image of 3B channels, innermost in memory, where a filter of each by itself is quickest."""
    return images.flatten(0, 1)[None].contiguous(memory_format=torch.channels_last)


def _similarity(moments: tuple[Tensor, ...], protocol: _Protocol) -> Tensor:
    c1, c2 = (2 * (k * protocol.data_range) ** 2 for k in (0.01, 0.03))
    c2 /= protocol.bessel
    # Every pass over the images counts, so the arithmetic is done in place.
    mean_s, mean_d, variance_s, variance_d = (_filtered(values, protocol.window) for values in moments)
    variance_s.addcmul_(mean_s, mean_s, value=-1).add_(c2)
    variance_d.addcmul_(mean_d, mean_d, value=-1)
    squared_s, squared_d = mean_s.add_(1).square_().add_(c1), mean_d.square_()
    luminance = squared_d.div_(squared_s.add_(squared_d))
    structure = variance_d.div_(variance_s.add_(variance_d))
    # (1 − 2 luminance)(1 − 2 structure)
    return 1 - 2 * (luminance + structure).addcmul_(luminance, structure, value=-2).mean((2, 3))


def _filtered(values: Tensor, window: Tensor) -> Tensor:
    channels, size = values.shape[1], len(window)
    weights = window.to(values.device).expand(channels, 1, 1, size)
    return conv2d(conv2d(values, weights.mT, groups=channels), weights, groups=channels)

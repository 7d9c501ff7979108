"""Metrics between de-identified images and their originals, listed in METRICS (Table 3)."""

# No import of PyTorch here: the report reads METRICS and starts without it.
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pfgvm.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def l2(images: Tensor, originals: Tensor) -> Tensor:
    """‖x̃ − x‖₂ over all values of an image (Table 3, L2).

    images, originals: (B, C, H, W) in [0, 1], on any device. Returns (B,), float64, detached.
    Raises InputError for invalid images and for different shapes.
    """
    x_adv, x = _in_float64(images, originals)
    return (x_adv - x).flatten(1).norm(dim=1)


def linf(images: Tensor, originals: Tensor) -> Tensor:
    """‖x̃ − x‖∞ over all values of an image. Arguments, result and errors as for `l2`."""
    x_adv, x = _in_float64(images, originals)
    return (x_adv - x).flatten(1).abs().amax(dim=1)


def mssim(images: Tensor, originals: Tensor) -> Tensor:
    """Mean structural similarity of Wang et al. (2004), averaged over channels.

    Gaussian window with σ = 1.5, truncated to 11 x 11, population covariance, data range 1. Arguments, result and
    errors as for `l2`; H and W at least 11.
    """
    x_adv, x = _in_float64(images, originals)
    gaussian = (x.new_tensor(range(-5, 6)) ** 2 / (-2 * 1.5**2)).exp()
    return _mean_similarity(x_adv, x, window=gaussian / gaussian.sum(), data_range=1, sample_covariance=False)


def mssim_legacy(images: Tensor, originals: Tensor) -> Tensor:
    """Mean structural similarity with scikit-image's defaults at the time of the paper (Table 3, SI).

    Uniform window of 7 x 7, sample covariance, and a data range of 2, as for images in [-1, 1]: with it, the paper's SI
    values are consistent with its L2 values. Arguments, result and errors as for `l2`; H and W at least 7.
    """
    x_adv, x = _in_float64(images, originals)
    return _mean_similarity(x_adv, x, window=x.new_full((7,), 1 / 7), data_range=2, sample_covariance=True)


def _mean_similarity(x_adv: Tensor, x: Tensor, *, window: Tensor, data_range: float, sample_covariance: bool) -> Tensor:
    size = len(window)
    if min(x.shape[2:]) < size:
        height, width = x.shape[2:]
        raise InputError(f"images: {height} x {width} pixels; give at least {size} x {size} for this MSSIM's window")

    # As banded matrix products, which in float64 are several times faster than PyTorch's convolution.
    rows, columns = (x.new_ones(n).diag().unfold(0, size, 1) @ window for n in x.shape[2:])

    def mean(values: Tensor) -> Tensor:
        return rows @ values @ columns.T

    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    bessel = size**2 / (size**2 - 1) if sample_covariance else 1
    μ_x, μ_y = mean(x_adv), mean(x)
    σ2_x, σ2_y = bessel * (mean(x_adv**2) - μ_x**2), bessel * (mean(x**2) - μ_y**2)
    σ_xy = bessel * (mean(x_adv * x) - μ_x * μ_y)
    ssim = (2 * μ_x * μ_y + c1) * (2 * σ_xy + c2) / ((μ_x**2 + μ_y**2 + c1) * (σ2_x + σ2_y + c2))
    return ssim.flatten(1).mean(dim=1)


def _in_float64(images: Tensor, originals: Tensor) -> tuple[Tensor, Tensor]:
    if images.shape != originals.shape:
        shapes = f"{tuple(images.shape)} and {tuple(originals.shape)}"
        raise InputError(f"images, originals: their shapes differ ({shapes}); give each image with its original")
    for name, values in (("images", images), ("originals", originals)):
        if not values.is_floating_point():
            raise InputError(f"{name}: of type {values.dtype}; give floating-point numbers in [0, 1] (uint8 / 255)")
        if values.ndim != 4:
            raise InputError(f"{name}: of shape {tuple(values.shape)}; give a batch, (B, C, H, W)")
        # This form also rejects NaN.
        if values.numel() and not (values.amin() >= 0 and values.amax() <= 1):
            value_range = f"from {values.amin():g} to {values.amax():g}"
            raise InputError(f"{name}: values {value_range}; give finite values in [0, 1]")
    # Not every device supports float64; Apple's MPS does not.
    device = images.device if images.device.type in ("cpu", "cuda") else "cpu"
    return images.detach().to(device).double(), originals.detach().to(device).double()


@dataclass(frozen=True)
class Metric:
    """A metric: a column of the scores, and the format of its mean in tables.

    name: column name. function: maps (images, originals), both (B, C, H, W) in [0, 1], to (B,), float64.
    label: heading (group, name) in "Table 3 in full"; the group may be empty.
    digits: decimals in tables. in_table3: whether table3.csv and "Table 3 in full" contain its mean.
    """

    name: str
    function: Callable[[Tensor, Tensor], Tensor]
    label: tuple[str, str]
    digits: int
    smaller_is_better: bool
    in_table3: bool = True


METRICS = (
    Metric("l2", l2, ("", "L2"), 2, smaller_is_better=True),
    Metric("mssim_legacy", mssim_legacy, ("MSSIM", "legacy"), 3, smaller_is_better=False),
    Metric("mssim", mssim, ("MSSIM", "Wang"), 3, smaller_is_better=False),
    Metric("linf", linf, ("", "L∞"), 3, smaller_is_better=True, in_table3=False),
)

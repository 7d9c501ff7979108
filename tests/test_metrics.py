"""Distances by hand, and structural similarity by the formula of Wang et al. (2004) and by scikit-image."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.metrics import structural_similarity

from pfgvm.errors import InputError
from pfgvm.evaluation.metrics import METRICS, l2, linf, mssim, mssim_legacy

SHAPE = (3, 40, 33)
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.uniform(size=SHAPE).cumsum(axis=2).astype(np.float32) / SHAPE[2]
NEAR = (IMAGE + RANDOM.normal(scale=0.03, size=SHAPE)).clip(0, 1).astype(np.float32)


def similarity(x, y, window, *, border: int, data_range: float, bessel: float) -> float:
    """Mean of (2 μ_x μ_y + C₁)(2 σ_xy + C₂) / ((μ_x² + μ_y² + C₁)(σ_x² + σ_y² + C₂)) inside the border."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    channels = []
    for a, b in zip(x.astype(float), y.astype(float), strict=True):
        mean_a, mean_b = window(a), window(b)
        variance_a = bessel * (window(a * a) - mean_a**2)
        variance_b = bessel * (window(b * b) - mean_b**2)
        covariance = bessel * (window(a * b) - mean_a * mean_b)
        numerator = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
        denominator = (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
        channels.append((numerator / denominator)[border:-border, border:-border].mean())
    return float(np.mean(channels))


def batch(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images))


def both(image: np.ndarray, original: np.ndarray) -> tuple[float, float]:
    pair = batch(image), batch(original)
    return mssim(*pair).item(), mssim_legacy(*pair).item()


def by_scikit_image(image: np.ndarray, original: np.ndarray) -> tuple[float, float]:
    pair = image.astype(float), original.astype(float)
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return (
        structural_similarity(*pair, channel_axis=0, data_range=1, **gaussian),
        structural_similarity(*pair, channel_axis=0, data_range=2),
    )


def test_mssim_is_that_of_wang():
    # σ 1.5, cut off at 3.5 σ: an 11 x 11 window
    expected = similarity(
        NEAR, IMAGE, lambda a: gaussian_filter(a, 1.5, truncate=3.5), border=5, data_range=1, bessel=1
    )
    assert expected < 0.99
    assert both(NEAR, IMAGE)[0] == pytest.approx(expected, abs=1e-9)


def test_mssim_legacy_is_the_old_default_of_scikit_image():
    expected = similarity(NEAR, IMAGE, lambda a: uniform_filter(a, 7), border=3, data_range=2, bessel=49 / 48)
    assert expected < 0.99
    assert both(NEAR, IMAGE)[1] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("scale", [1e-4, 1e-3, 0.02, 0.3])
@pytest.mark.parametrize("level", ["mid", "black", "white"])
def test_mssim_is_that_of_scikit_image(scale, level):
    # In flat and saturated areas, such as CelebA's backgrounds, the variances cancel.
    original = RANDOM.uniform(0.3, 0.6, size=(3, 60, 50)).astype(np.float32)
    original[:, :, 10:] = {"mid": 0.5, "black": 0, "white": 1}[level]
    image = (original + RANDOM.normal(scale=scale, size=original.shape)).clip(0, 1).astype(np.float32)
    assert both(image, original) == pytest.approx(by_scikit_image(image, original), abs=1e-9)


def test_mssim_of_an_image_as_large_as_its_window():
    images = RANDOM.uniform(size=(2, 1, 11, 11)).astype(np.float32)
    assert both(*images) == pytest.approx(by_scikit_image(*images), abs=1e-9)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_of_a_pair_depends_on_that_pair_alone(metric):
    originals = RANDOM.uniform(size=(5, *SHAPE)).astype(np.float32)
    images = (originals + RANDOM.normal(scale=0.05, size=originals.shape)).clip(0, 1).astype(np.float32)
    together = metric.function(batch(*images), batch(*originals))
    alone = [
        metric.function(batch(image), batch(original)).item() for image, original in zip(images, originals, strict=True)
    ]
    assert together.shape == (5,)
    assert together.dtype == torch.float64
    np.testing.assert_allclose(together, alone, atol=1e-12)
    assert len(set(together.tolist())) == len(images)
    assert metric.function(batch(*images)[:0], batch(*originals)[:0]).shape == (0,)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_states_which_direction_is_better(metric):
    near, far = (
        metric.function(batch((IMAGE + noise).clip(0, 1)), batch(IMAGE)).item()
        for noise in (np.float32(0.01), RANDOM.normal(scale=0.2, size=SHAPE).astype(np.float32))
    )
    assert (near < far) == metric.smaller_is_better


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_builds_no_graph(metric):
    images = batch(NEAR).requires_grad_()
    assert not metric.function(images, batch(IMAGE)).requires_grad


PAIR = batch(NEAR), batch(IMAGE)
WITH_NAN = PAIR[0].clone()
WITH_NAN[0, 1, 2, 3] = float("nan")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
@pytest.mark.parametrize(
    ("images", "originals", "message"),
    [
        ((PAIR[0] * 255).byte(), (PAIR[1] * 255).byte(), r"images: of type torch.uint8; .*uint8 / 255"),
        (PAIR[0] * 255, PAIR[1] * 255, r"images: values from .* in \[0, 1\]"),
        (PAIR[0], PAIR[1] - 0.5, r"originals: values from -"),
        (WITH_NAN, PAIR[1], r"images: values from nan to nan; .*finite"),
        (PAIR[0][..., 1:], PAIR[1], r"their shapes differ \(\(1, 3, 40, 32\) and \(1, 3, 40, 33\)\)"),
        (PAIR[0][0], PAIR[1][0], r"images: of shape \(3, 40, 33\); give a batch"),
    ],
    ids=["uint8", "up to 255", "below 0", "NaN", "shapes", "no batch"],
)
def test_an_invalid_batch_of_images_is_refused(metric, images, originals, message):
    with pytest.raises(InputError, match=message):
        metric.function(images, originals)


def test_mssim_of_images_smaller_than_its_window_is_refused():
    small = torch.rand(1, 3, 10, 40)
    with pytest.raises(InputError, match=r"images: 10 x 40 pixels; .* at least 11 x 11"):
        mssim(small, small)
    assert mssim_legacy(small, small).item() == 1
    with pytest.raises(InputError, match=r"at least 7 x 7"):
        mssim_legacy(small[:, :, :6], small[:, :, :6])


def test_the_table_of_metrics_is_read_without_pytorch():
    # The report reads it, and PyTorch takes seconds to load.
    program = "import sys, pfgvm.evaluation.metrics as m; sys.exit('torch' in sys.modules or not m.METRICS)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_image_is_like_itself():
    assert both(IMAGE, IMAGE) == (1, 1)
    assert l2(batch(IMAGE), batch(IMAGE)) == linf(batch(IMAGE), batch(IMAGE)) == 0


def test_distances_by_hand():
    original = np.zeros((3, 8, 8), np.float32)
    image = original.copy()
    image[0, 0, 0], image[1, 2, 3], image[2, 7, 7] = 0.25, 0.5, 0.25
    images, originals = batch(image, original, original), batch(original, image, original)
    assert l2(images, originals).tolist() == pytest.approx([0.375**0.5, 0.375**0.5, 0], abs=1e-12)
    assert linf(images, originals).tolist() == [0.5, 0.5, 0]


def test_a_perturbation_is_summed_in_float64():
    # 116,412 changes of ε: a float32 sum would be off in the sixth digit
    original = np.zeros((3, 218, 178), np.float32)
    image = original + np.float32(0.026)
    assert l2(batch(image), batch(original)).item() == pytest.approx(float(np.float32(0.026)) * 116_412**0.5, rel=1e-12)


def test_rounding_to_8_bits_moves_an_image_as_uniform_noise_would():
    image = RANDOM.uniform(size=(3, 218, 178)).astype(np.float32)
    rounded = ((image * 255).round() / 255).astype(np.float32)
    assert l2(batch(rounded), batch(image)).item() == pytest.approx((image.size / 12) ** 0.5 / 255, rel=0.01)
    assert linf(batch(rounded), batch(image)).item() <= 0.5 / 255 + 1e-6

"""Distances by hand, and structural similarity by the formula of Wang et al. (2004) and by scikit-image."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.metrics import structural_similarity

from pfgvm import metrics
from pfgvm.metrics import l2, linf, mssim

SHAPE = (3, 40, 33)
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.uniform(size=SHAPE).cumsum(axis=2).astype(np.float32) / SHAPE[2]
NEAR = (IMAGE + RANDOM.normal(scale=0.03, size=SHAPE)).clip(0, 1).astype(np.float32)


def similarity(x, y, window, border: int, data_range: float, bessel: float) -> float:
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
    wang, legacy = mssim(batch(image), batch(original))
    return wang.item(), legacy.item()


def by_scikit_image(image: np.ndarray, original: np.ndarray) -> tuple[float, float]:
    pair = image.astype(float), original.astype(float)
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return (
        structural_similarity(*pair, channel_axis=0, data_range=1, **gaussian),
        structural_similarity(*pair, channel_axis=0, data_range=2),
    )


def test_mssim_is_that_of_wang():
    # σ 1.5, cut off at 3.5 σ: an 11 x 11 window
    expected = similarity(NEAR, IMAGE, lambda a: gaussian_filter(a, 1.5, truncate=3.5), 5, 1, 1)
    assert expected < 0.99
    assert both(NEAR, IMAGE)[0] == pytest.approx(expected, abs=1e-6)


def test_mssim_legacy_is_the_old_default_of_scikit_image():
    expected = similarity(NEAR, IMAGE, lambda a: uniform_filter(a, 7), 3, 2, 49 / 48)
    assert expected < 0.99
    assert both(NEAR, IMAGE)[1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-4, 1e-3, 0.02, 0.3])
@pytest.mark.parametrize("level", ["mid", "black", "white"])
def test_float32_is_enough_for_mssim(scale, level):
    # Flat and saturated areas are where the textbook's formula cancels; CelebA has them as backgrounds.
    original = RANDOM.uniform(0.3, 0.6, size=(3, 60, 50)).astype(np.float32)
    original[:, :, 10:] = {"mid": 0.5, "black": 0, "white": 1}[level]
    image = (original + RANDOM.normal(scale=scale, size=original.shape)).clip(0, 1).astype(np.float32)
    assert both(image, original) == pytest.approx(by_scikit_image(image, original), abs=1e-6)


def test_mssim_of_a_pair_hangs_on_that_pair_alone():
    originals = RANDOM.uniform(size=(metrics._CHANNELS_AT_ONCE + 3, *SHAPE)).astype(np.float32)
    images = (originals + RANDOM.normal(scale=0.05, size=originals.shape)).clip(0, 1).astype(np.float32)
    together = torch.stack(mssim(batch(*images), batch(*originals)), dim=1)
    alone = [both(image, original) for image, original in zip(images, originals, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert len(set(together[:, 0].tolist())) == len(images)


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

"""How far a de-identified image lies from its original: L2, L∞ and MSSIM by two protocols (Table 3)."""

import numpy as np
from skimage.metrics import structural_similarity


def l2(image: np.ndarray, original: np.ndarray) -> float:
    """‖x̃ − x‖₂ over all values of two images in [0, 1], (3, H, W), summed in float64."""
    return float(np.linalg.norm(image.astype(np.float64) - original.astype(np.float64)))


def linf(image: np.ndarray, original: np.ndarray) -> float:
    """‖x̃ − x‖∞: the largest change of one value of two images in [0, 1], (3, H, W)."""
    return float(np.abs(image.astype(np.float64) - original.astype(np.float64)).max())


def mssim(image: np.ndarray, original: np.ndarray) -> float:
    """Mean structural similarity of two images in [0, 1], (3, H, W), as Wang et al. (2004) define it.

    Gaussian window of σ = 1.5, population covariance, data range 1; mean over the channels.
    """
    return _mssim(image, original, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1)


def mssim_legacy(image: np.ndarray, original: np.ndarray) -> float:
    """Mean structural similarity as scikit-image computed it by default when the paper was written.

    7 x 7 uniform window, sample covariance, and a data range of 2, which was assumed for float images (as if they
    spanned [-1, 1]). The paper's SI values fit its L2 values under this protocol. Images in [0, 1], (3, H, W).
    """
    return _mssim(image, original, win_size=7, data_range=2)


def _mssim(image: np.ndarray, original: np.ndarray, **protocol: object) -> float:
    pair = (image.astype(np.float64), original.astype(np.float64))
    return float(structural_similarity(*pair, channel_axis=0, **protocol))

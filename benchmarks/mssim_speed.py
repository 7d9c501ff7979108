"""MSSIM with both protocols, compared with a loop over scikit-image."""

from collections.abc import Iterator

import numpy as np
import torch
from skimage.metrics import structural_similarity

from benchmarks.measurement import Measurement, side_by_side
from benchmarks.workloads import bundled
from pfgvm.evaluation.metrics import mssim, mssim_legacy

PAIRS, BATCH = 900, 16
WANG = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
LEGACY = {"win_size": 7, "data_range": 2}


def against_scikit_image() -> Iterator[Measurement]:
    """Measure both protocols on 900 pairs of 178 x 218: an image, and the same with noise of σ = 0.01."""
    pixels, _ = bundled(PAIRS)
    originals = pixels.double() / 255
    noise = torch.randn(originals.shape, generator=torch.Generator().manual_seed(0))
    images = (originals + 0.01 * noise).clamp(0, 1)

    def ours() -> np.ndarray:
        pairs = zip(images.split(BATCH), originals.split(BATCH), strict=True)
        return np.concatenate([torch.stack([mssim(*pair), mssim_legacy(*pair)], dim=1).numpy() for pair in pairs])

    def loop() -> np.ndarray:
        pairs = zip(images.numpy(), originals.numpy(), strict=True)
        return np.array([[structural_similarity(*pair, channel_axis=0, **p) for p in (WANG, LEGACY)] for pair in pairs])

    times = side_by_side({"ours": ours, "scikit-image": loop}, 3, 1)
    yield Measurement(
        row="MSSIM, cpu",
        what=f"{PAIRS} pairs of 178 x 218, Wang's and the legacy protocol",
        unit="s",
        ours=times.pop("ours"),
        others=times,
        checks={"largest difference from scikit-image": float(np.abs(ours() - loop()).max())},
    )

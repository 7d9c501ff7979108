"""Scores of images on a network with known outputs."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pfgvm.evaluation.metrics import METRICS, l2
from pfgvm.evaluation.scoring import SCORE_COLUMNS, score_images


class Brightness(nn.Module):
    """Classifies as `dark`, `middle` or `bright`, and records the batch sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.tensor([0.25, 0.5, 0.75]))
        self.batches: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        return -(images.mean(dim=(1, 2, 3))[:, None] - self.levels).abs()


CLASSES = ["dark", "middle", "bright"]
ORIGINALS = np.stack([np.full((3, 12, 13), level, np.float32) for level in (0.2, 0.5, 0.8, 0.5, 0.2)])
IMAGES = np.stack([np.full((3, 12, 13), level, np.float32) for level in (0.21, 0.7, 0.81, 0.2, 0.6)])


def test_scores_contain_the_predictions_and_the_metrics():
    scores = score_images(Brightness(), IMAGES, ORIGINALS, CLASSES, 2)
    prediction_columns = ["predicted_clean", "predicted", "confidence_clean", "confidence"]
    assert list(scores.columns) == ["pixels", *prediction_columns, *(metric.name for metric in METRICS)]
    assert list(scores["pixels"]) == ["float"] * 5 + ["8bit"] * 5
    assert list(scores["predicted_clean"]) == ["dark", "middle", "bright", "middle", "dark"] * 2
    assert list(scores["predicted"]) == ["dark", "bright", "bright", "dark", "middle"] * 2
    rounded = np.round(IMAGES * 255) / 255
    for images, rows in ((IMAGES, scores[:5]), (rounded, scores[5:])):
        for shown, confidence in ((ORIGINALS, rows["confidence_clean"]), (images, rows["confidence"])):
            # The softmax of minus the distances from the three levels, at the nearest.
            distances = np.abs(shown[:, 0, 0, 0, None] - [0.25, 0.5, 0.75])
            softmax = np.exp(-distances) / np.exp(-distances).sum(axis=1, keepdims=True)
            assert confidence.to_numpy() == pytest.approx(softmax.max(axis=1), abs=1e-6)
    for images, rows in ((IMAGES, scores[:5]), (rounded, scores[5:])):
        change = np.abs(images[:, 0, 0, 0] - ORIGINALS[:, 0, 0, 0])
        assert rows["linf"].to_numpy() == pytest.approx(change, abs=1e-7)
        assert rows["l2"].to_numpy() == pytest.approx(change * (3 * 12 * 13) ** 0.5, abs=1e-5)


def test_scores_do_not_depend_on_the_number_of_images():
    random = np.random.default_rng(0)
    images, originals = random.random((2, 5, 3, 12, 13), dtype=np.float32)
    together = score_images(Brightness(), images, originals, CLASSES, 4)
    alone = score_images(Brightness(), images[4:], originals[4:], CLASSES, 4)
    assert together.iloc[[4, 9]].reset_index(drop=True).equals(alone)
    assert together["l2"][:5].tolist() == l2(torch.from_numpy(images), torch.from_numpy(originals)).tolist()


def test_the_network_is_given_batches_of_one_size():
    network = Brightness()
    score_images(network, IMAGES, ORIGINALS, CLASSES, 2)
    assert set(network.batches) == {2}


def test_images_that_may_not_be_written_to_are_scored(recwarn):
    images = IMAGES.copy()
    images.flags.writeable = False
    score_images(Brightness(), images, ORIGINALS, CLASSES, 2)
    assert not recwarn.list


def test_the_columns_of_the_scores_are_the_agreed_ones_first():
    agreed = "image,person,split,model,method,pixels,target,predicted_clean,predicted,l2,linf,mssim,mssim_legacy"
    assert SCORE_COLUMNS[:13] == agreed.split(",")
    assert set(SCORE_COLUMNS) >= {metric.name for metric in METRICS}

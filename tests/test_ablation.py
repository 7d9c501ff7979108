"""The ablation: perturbations scaled to equal FLIP, and matches counted by hand."""

import numpy as np
import pytest

from pfgvm.evaluation.findings.enrolment import Enrolment
from pfgvm.evaluation.findings.verification import Faces, Threshold
from pfgvm.evaluation.recognition.embedding_distance import Comparison
from pfgvm.evaluation.recognition.recognisers import Recogniser
from tools.ablation import at_flip, mean_quality, scaled_by, true_match_rates

RANDOM = np.random.default_rng(0)
CLEAN = RANDOM.uniform(0.3, 0.7, (2, 3, 109, 89)).astype(np.float32)
ADVERSARIAL = (CLEAN + RANDOM.normal(0, 0.01, CLEAN.shape).astype(np.float32)).clip(0, 1)


def test_a_scaled_perturbation_is_8_bit_and_in_range():
    still, double, far = (scaled_by(CLEAN, ADVERSARIAL, factor) for factor in (0, 2, 1000))
    np.testing.assert_array_equal(still, np.rint(255 * CLEAN) / np.float32(255))
    assert np.abs(double - (2 * ADVERSARIAL - CLEAN)).max() <= 0.5 / 255 + 1e-6
    assert far.min() == 0 and far.max() == 1


@pytest.mark.parametrize("flip", [0.03, 0.1])
def test_perturbations_are_scaled_to_the_flip_asked_for(flip: float):
    assert mean_quality("flip_face", at_flip(CLEAN, ADVERSARIAL, flip), CLEAN) == pytest.approx(flip, rel=0.15)


def test_matches_are_those_of_the_other_images_of_a_person():
    def embed(images: np.ndarray) -> np.ndarray:
        return images.mean(axis=(1, 2, 3))[:, None]

    recogniser = Recogniser("near", "Near", distance="euclidean", network=embed)
    names, places = np.array(["a1", "a2", "a3", "b1", "b2"]), np.array([[0.1], [0.2], [0.3], [0.8], [0.9]])
    gallery = Faces(names, np.array(list("aaabb")), places)
    levels = (Threshold(0.001, -0.01, 1, ""), Threshold(0.01, -0.11, 1, ""))
    enrolment = Enrolment(Comparison("near", "Near", distance="euclidean"), gallery, gallery, np.zeros(1), levels)
    images = np.stack([np.full((3, 4, 4), level) for level in (0.25, 0.35, 0.5)])
    tmr, tmr_both, persons = true_match_rates(enrolment, recogniser, ["a1", "a2", "b1"], images)
    # Within 0.11: both other images of a1, one of a2, and the two protected images of a.
    assert tmr.tolist() == [1, 0.5, 0] and tmr_both == 1 and persons.tolist() == ["a", "a", "b"]

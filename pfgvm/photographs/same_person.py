"""Verification of a face before and after protection."""

import math
from dataclasses import dataclass

import numpy as np

from pfgvm.evaluation.recognition.recognisers import Recogniser

# Similarity thresholds published by the recognisers' authors, on their own photos.
# dlib: a distance of 0.6 (dnn_face_recognition_ex.cpp). SFace: a cosine similarity of 0.363 on LFW (OpenCV's tutorial
# "DNN-based Face Detection And Recognition").
PUBLISHED_THRESHOLDS = {"dlib": -0.6, "sface": 0.363}


@dataclass(frozen=True)
class Verdict:
    """The `similarity` of a face before and after protection by `recogniser`, and its `threshold`.

    threshold: NaN if there is none.
    """

    recogniser: Recogniser
    similarity: float
    threshold: float

    @property
    def same_person(self) -> bool | None:
        """Whether the two faces match.

        None without a threshold, and for a centred recogniser, since the other identities are not available.
        """
        undecided = math.isnan(self.threshold) or self.recogniser.centred
        return None if undecided else self.similarity >= self.threshold


def verdict(recogniser: Recogniser, before: np.ndarray, after: np.ndarray, threshold: float) -> Verdict:
    """Compare a face in CelebA's framing before and after protection: float32 in [0, 1], (3, H, W).

    threshold: a similarity, or NaN.
    """
    embeddings = recogniser.embed(np.stack([before, after]))
    similarity = recogniser.similarities(embeddings[:1], embeddings[1:]).item()
    return Verdict(recogniser, similarity, threshold)

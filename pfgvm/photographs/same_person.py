"""Whether a recogniser takes a face, before and after it was changed, for one person."""

import math
from dataclasses import dataclass

import numpy as np

from pfgvm.evaluation.recognition.recognisers import Recogniser

# By recogniser, the similarity from which on its author takes two faces for one person's, measured on his photographs.
# dlib: a distance of 0.6 (dnn_face_recognition_ex.cpp).
PUBLISHED_THRESHOLDS = {"dlib": -0.6}


@dataclass(frozen=True)
class Verdict:
    """What `recogniser` says: the `similarity` of a face before with itself after, and the `threshold` to hold it to.

    threshold: NaN where there is none.
    """

    recogniser: Recogniser
    similarity: float
    threshold: float

    @property
    def same_person(self) -> bool | None:
        """Whether it takes the two for one person.

        None where there is no threshold, and where the recogniser centres by other persons, who are not here.
        """
        undecided = math.isnan(self.threshold) or self.recogniser.centred
        return None if undecided else self.similarity >= self.threshold


def verdict(recogniser: Recogniser, before: np.ndarray, after: np.ndarray, threshold: float) -> Verdict:
    """What `recogniser` says of a face in CelebA's framing, before and after: float32 in [0, 1], (3, H, W).

    threshold: a similarity, or NaN.
    """
    embeddings = recogniser.embed(np.stack([before, after]))
    similarity = recogniser.similarities(embeddings[:1], embeddings[1:]).item()
    return Verdict(recogniser, similarity, threshold)

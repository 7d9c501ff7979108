"""Enrolment of a recogniser: clean images and thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pfgvm.evaluation.findings.verification import Faces, Threshold, impostor_pairs, threshold
from pfgvm.evaluation.recognition.embedding_distance import Comparison

FALSE_MATCH_RATES = (0.01, 0.001)
THRESHOLDS_COLUMNS = ["recogniser", "fmr", "threshold", "pairs", "persons", "note"]
PAIRS_COLUMNS = ["image", "other", "person"]


@dataclass(frozen=True)
class Enrolment:
    """Clean embeddings of one recogniser, minus `offset`, and its thresholds at FALSE_MATCH_RATES.

    gallery: images of the evaluated identities. others: images of other identities, whose impostor pairs determine the
    thresholds. offset: (d,), the mean embedding of `others` for a centred recogniser, else 0.
    """

    recogniser: Comparison
    gallery: Faces
    others: Faces
    offset: np.ndarray
    thresholds: tuple[Threshold, ...]

    @classmethod
    def of(cls, recogniser: Comparison, gallery: Faces, others: Faces) -> "Enrolment":
        """Enrolment from the embeddings of `recogniser`. Raises InputError as `Comparison.check` does."""
        offset = np.zeros(gallery.embeddings.shape[1], np.float32)
        if recogniser.centred and len(others.images):
            offset = others.embeddings.mean(axis=0)
        gallery, others = (Faces(f.images, f.persons, f.embeddings - offset) for f in (gallery, others))
        # Checked after centring, which makes constant embeddings zero.
        for faces in (gallery, others):
            recogniser.check(faces.embeddings)
        first, second = impostor_pairs(others)
        similarities = recogniser.similarities(others.embeddings, others.embeddings)[first, second]
        return cls(recogniser, gallery, others, offset, tuple(threshold(similarities, r) for r in FALSE_MATCH_RATES))

    def probes(self, rows: np.ndarray) -> Faces:
        """Probes of identities in the gallery, from `rows` of stages/evaluate.py with image names and embeddings."""
        enrolled = self.gallery.of(rows["image"].tolist())
        embeddings = rows[self.recogniser.field] - self.offset
        self.recogniser.check(embeddings)
        return Faces(enrolled.images, enrolled.persons, embeddings)


def thresholds_table(enrolments: Sequence[Enrolment]) -> pd.DataFrame:
    """Thresholds of every recogniser, in THRESHOLDS_COLUMNS; `pairs` and `persons` are counts."""
    rows = [
        (enrolment.recogniser.name, level.fmr, level.value, level.pairs, len(set(enrolment.others.persons)), level.note)
        for enrolment in enrolments
        for level in enrolment.thresholds
    ]
    return pd.DataFrame(rows, columns=THRESHOLDS_COLUMNS)


def genuine_pairs(images: Sequence[str], gallery: Faces) -> pd.DataFrame:
    """Genuine pairs of the true-match rates, in PAIRS_COLUMNS.

    Each pair is one of `images`, protected or clean, and another clean image of its identity in `gallery`.
    """
    probes = gallery.of(images)
    same = probes.persons[:, None] == gallery.persons[None, :]
    place, partner = np.nonzero(same & (probes.images[:, None] != gallery.images[None, :]))
    columns = (probes.images[place], gallery.images[partner], probes.persons[place])
    return pd.DataFrame(dict(zip(PAIRS_COLUMNS, columns, strict=True)))

"""What a recogniser knows before it is shown a protected image: clean images, and its thresholds."""

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
    """The clean images that one recogniser knows, less `offset` each, and its thresholds at FALSE_MATCH_RATES.

    gallery: of the persons recognised. others: of other persons; the thresholds come from all pairs of two of these.
    offset: (d,), the mean embedding of the others where the recogniser is centred, else 0.
    """

    recogniser: Comparison
    gallery: Faces
    others: Faces
    offset: np.ndarray
    thresholds: tuple[Threshold, ...]

    @classmethod
    def of(cls, recogniser: Comparison, gallery: Faces, others: Faces) -> "Enrolment":
        """The enrolment of images as `recogniser` has embedded them. Raises InputError as `Comparison.check` does."""
        offset = np.zeros(gallery.embeddings.shape[1], np.float32)
        if recogniser.centred and len(others.images):
            offset = others.embeddings.mean(axis=0)
        gallery, others = (Faces(f.images, f.persons, f.embeddings - offset) for f in (gallery, others))
        # A network that gives every face the same is zero when it is centred.
        for faces in (gallery, others):
            recogniser.check(faces.embeddings)
        first, second = impostor_pairs(others)
        similarities = recogniser.similarities(others.embeddings, others.embeddings)[first, second]
        return cls(recogniser, gallery, others, offset, tuple(threshold(similarities, r) for r in FALSE_MATCH_RATES))

    def probes(self, rows: np.ndarray) -> Faces:
        """Images of persons in the gallery, as `rows` of stages/evaluate.py: their images' names and embeddings."""
        known = self.gallery.of(rows["image"].tolist())
        embeddings = rows[self.recogniser.field] - self.offset
        self.recogniser.check(embeddings)
        return Faces(known.images, known.persons, embeddings)


def thresholds_table(enrolments: Sequence[Enrolment]) -> pd.DataFrame:
    """Every recogniser's thresholds, in THRESHOLDS_COLUMNS; `pairs` and `persons` are numbers."""
    rows = [
        (known.recogniser.name, level.fmr, level.value, level.pairs, len(set(known.others.persons)), level.note)
        for known in enrolments
        for level in known.thresholds
    ]
    return pd.DataFrame(rows, columns=THRESHOLDS_COLUMNS)


def genuine_pairs(images: Sequence[str], gallery: Faces) -> pd.DataFrame:
    """Every pair behind the true-match rates, in PAIRS_COLUMNS: one of `images`, protected or clean, and another clean
    image of its person in `gallery`.
    """
    probes = gallery.of(images)
    same = probes.persons[:, None] == gallery.persons[None, :]
    place, partner = np.nonzero(same & (probes.images[:, None] != gallery.images[None, :]))
    columns = (probes.images[place], gallery.images[partner], probes.persons[place])
    return pd.DataFrame(dict(zip(PAIRS_COLUMNS, columns, strict=True)))

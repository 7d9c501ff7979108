"""Recognition by person and by image."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pfgvm.evaluation.findings.enrolment import Enrolment
from pfgvm.evaluation.findings.sets import EvaluatedSet
from pfgvm.evaluation.findings.verification import Faces, match_rates, ranks
from pfgvm.evaluation.statistics import mean

RECOGNISED_PERSONS_COLUMNS = ["model", "method", "recogniser", "person", "images", "tmr_clean", "tmr_protected"]
RECOGNISED_IMAGES_COLUMNS = [
    "model", "method", "recogniser", "image", "tmr_clean", "tmr_protected", "rank_clean", "rank_protected",
]  # fmt: skip


def recognised_persons(
    sets: Sequence[EvaluatedSet], enrolments: Sequence[Enrolment], *, published: str
) -> pd.DataFrame:
    """Each person's true-match rates, in [0, 1], at the highest false-match rate: RECOGNISED_PERSONS_COLUMNS.

    published: the view of the published image. As in `recognition`, images are held against the other clean images
    of their person. Without a threshold, or another image, the rates are NaN.
    """
    rows = []
    for one in sets:
        shown = one.view(published)
        for known in enrolments:
            protected = known.probes(shown)
            clean = known.gallery.of(protected.images.tolist())
            before, after = (_rates(known, probes) for probes in (clean, protected))
            for person in np.unique(protected.persons).tolist():
                own = protected.persons == person
                rates = (mean(before[own]), mean(after[own]))
                rows.append((one.model, one.method, known.recogniser.name, person, int(own.sum()), *rates))
    return pd.DataFrame(rows, columns=RECOGNISED_PERSONS_COLUMNS)


def recognised_images(sets: Sequence[EvaluatedSet], enrolments: Sequence[Enrolment], *, published: str) -> pd.DataFrame:
    """What each recogniser says of each image, clean and protected: RECOGNISED_IMAGES_COLUMNS.

    The rates are the share of the person's other clean images that match, as in `recognised_persons`; the ranks are at
    which place, from 1, the person comes among all enrolled, as in `recognition`.
    """
    rows: list[tuple] = []
    for one in sets:
        shown = one.view(published)
        for known in enrolments:
            protected = known.probes(shown)
            clean = known.gallery.of(protected.images.tolist())
            states, enrolled = (clean, protected), known.gallery + known.others
            said = [_rates(known, probes) for probes in states]
            said += [ranks(known.recogniser, probes, enrolled) for probes in states]
            of_set = (one.model, one.method, known.recogniser.name)
            rows += [(*of_set, *of_image) for of_image in zip(protected.images, *said, strict=True)]
    return pd.DataFrame(rows, columns=RECOGNISED_IMAGES_COLUMNS)


def _rates(known: Enrolment, probes: Faces) -> np.ndarray:
    value = max(known.thresholds, key=lambda level: level.fmr).value
    if math.isnan(value):
        return np.full(len(probes.images), math.nan)
    return match_rates(known.recogniser, probes, known.gallery, value)

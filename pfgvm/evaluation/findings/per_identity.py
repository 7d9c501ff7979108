"""Recognition per identity and per image."""

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
    """True-match rates of each identity, in [0, 1], at the highest false-match rate: RECOGNISED_PERSONS_COLUMNS.

    published: view of published images. As in `recognition`, images are compared with the other clean images of their
    identity. Rates are NaN without a threshold or without another image.
    """
    rows = []
    for image_set in sets:
        published_rows = image_set.view(published)
        for enrolment in enrolments:
            protected = enrolment.probes(published_rows)
            clean = enrolment.gallery.of(protected.images.tolist())
            before, after = (_rates(enrolment, probes) for probes in (clean, protected))
            for person in np.unique(protected.persons).tolist():
                is_person = protected.persons == person
                rates = (mean(before[is_person]), mean(after[is_person]))
                rows.append(
                    (image_set.model, image_set.method, enrolment.recogniser.name, person, int(is_person.sum()), *rates)
                )
    return pd.DataFrame(rows, columns=RECOGNISED_PERSONS_COLUMNS)


def recognised_images(sets: Sequence[EvaluatedSet], enrolments: Sequence[Enrolment], *, published: str) -> pd.DataFrame:
    """Results of each recogniser for each image, clean and protected: RECOGNISED_IMAGES_COLUMNS.

    Rates are the share of the identity's other clean images that match, as in `recognised_persons`. Ranks, from 1, are
    those of the identity among all enrolled ones, as in `recognition`.
    """
    rows: list[tuple] = []
    for image_set in sets:
        published_rows = image_set.view(published)
        for enrolment in enrolments:
            protected = enrolment.probes(published_rows)
            clean = enrolment.gallery.of(protected.images.tolist())
            probe_sets, gallery = (clean, protected), enrolment.gallery + enrolment.others
            columns = [_rates(enrolment, probes) for probes in probe_sets]
            columns += [ranks(enrolment.recogniser, probes, gallery) for probes in probe_sets]
            of_set = (image_set.model, image_set.method, enrolment.recogniser.name)
            rows += [(*of_set, *of_image) for of_image in zip(protected.images, *columns, strict=True)]
    return pd.DataFrame(rows, columns=RECOGNISED_IMAGES_COLUMNS)


def _rates(enrolment: Enrolment, probes: Faces) -> np.ndarray:
    value = max(enrolment.thresholds, key=lambda level: level.fmr).value
    if math.isnan(value):
        return np.full(len(probes.images), math.nan)
    return match_rates(enrolment.recogniser, probes, enrolment.gallery, value)

"""Recognition rates of white-box and black-box recognisers on protected images."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pfgvm.evaluation.findings.enrolment import Enrolment
from pfgvm.evaluation.findings.sets import EvaluatedSet, clean_set
from pfgvm.evaluation.findings.verification import Faces, Threshold, match_rates, ranks
from pfgvm.evaluation.statistics import mean, mean_over_clusters

RECOGNITION_COLUMNS = [
    "model", "method", "recogniser", "seen", "fmr", "threshold", "tmr_clean", "tmr_protected", "low", "high",
    "tmr_both", "drop_over_random", "drop_low", "drop_high", "rank1_clean", "rank1_protected", "found",
    "images", "rank1_low", "rank1_high", "rank5_clean", "rank5_protected", "found_clean", "both_low", "both_high",
    "note", "aligned",
]  # fmt: skip


def recognition(
    sets: Sequence[EvaluatedSet], enrolments: Sequence[Enrolment], *, published: str, control: str
) -> pd.DataFrame:
    """One row per set, recogniser and false-match rate, in RECOGNITION_COLUMNS; rates in [0, 1].

    published, control: views of published images and of their random controls.

    A protected image is compared with the other clean images of its identity (`tmr_protected`) and with its other
    protected images (`tmr_both`). `drop_over_random` is the drop of the true-match rate in excess of the control's.
    Ranks are among all enrolled identities. `low` and `high`, also as suffixes: 95 % interval by bootstrap over
    identities. `seen`: whether the recogniser is a white-box recogniser of the attack. `found`: share of images with a
    detected face; `found_clean`: the same for clean images; `aligned`: share with the clean image's landmarks (see
    stages/evaluation/evaluate.py). `note` states if there are too few pairs for a threshold.
    """
    rows: list[dict[str, Any]] = []
    for image_set in sets:
        published_rows = image_set.view(published)
        of_set = {
            "model": image_set.model,
            "method": image_set.method,
            "found": mean(published_rows["found"]),
            "found_clean": mean(clean_set(sets, image_set).view(published, published_rows["image"])["found"]),
            "images": len(published_rows),
            "aligned": mean(published_rows["aligned"]),
        }
        for enrolment in enrolments:
            protected, random = (
                enrolment.probes(published_rows),
                enrolment.probes(image_set.view(control, published_rows["image"])),
            )
            clean = enrolment.gallery.of(protected.images.tolist())
            of_recogniser = {
                "recogniser": enrolment.recogniser.name,
                "seen": enrolment.recogniser.name in image_set.seen_by.split(","),
                **_identified(enrolment, clean, protected),
            }
            rows += [
                of_set
                | of_recogniser
                | {"fmr": level.fmr, "threshold": level.value, "note": level.note}
                | _matched(enrolment, level, (clean, protected, random))
                for level in enrolment.thresholds
            ]
    return pd.DataFrame(rows, columns=RECOGNITION_COLUMNS)


def _identified(enrolment: Enrolment, clean: Faces, protected: Faces) -> dict[str, float]:
    before, after = (
        ranks(enrolment.recogniser, probes, enrolment.gallery + enrolment.others) for probes in (clean, protected)
    )
    return {
        **_named(("rank1_protected", "rank1_low", "rank1_high"), over_persons(after == 1, clean.persons)),
        "rank1_clean": mean(before == 1),
        "rank5_clean": mean(before <= 5),
        "rank5_protected": mean(after <= 5),
    }


def _matched(enrolment: Enrolment, level: Threshold, probes: tuple[Faces, Faces, Faces]) -> dict[str, float]:
    if math.isnan(level.value):
        return {}
    _, protected, _ = probes
    before, after, at_random = (match_rates(enrolment.recogniser, p, enrolment.gallery, level.value) for p in probes)
    both = match_rates(enrolment.recogniser, protected, protected, level.value)
    persons = protected.persons
    return {
        "tmr_clean": over_persons(before, persons)[0],
        **_named(("tmr_protected", "low", "high"), over_persons(after, persons)),
        **_named(("tmr_both", "both_low", "both_high"), over_persons(both, persons)),
        **_named(("drop_over_random", "drop_low", "drop_high"), over_persons(at_random - after, persons)),
    }


def _named(names: Iterable[str], values: Iterable[float]) -> dict[str, float]:
    return dict(zip(names, values, strict=True))


def over_persons(values: np.ndarray, persons: np.ndarray) -> tuple[float, float, float]:
    """Mean of the `values` that are not NaN, and its 95 % interval by bootstrap over `persons`."""
    is_valid = ~np.isnan(values)
    return mean_over_clusters(values[is_valid], persons[is_valid])

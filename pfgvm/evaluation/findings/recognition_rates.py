"""Recognition of protected images by recognisers that the attack has not had before it."""

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
    "note",
]  # fmt: skip


def recognition(
    sets: Sequence[EvaluatedSet], enrolments: Sequence[Enrolment], *, published: str, control: str
) -> pd.DataFrame:
    """One row a set, recogniser and false-match rate, in RECOGNITION_COLUMNS; rates in [0, 1].

    published, control: the views of the published image and of its random control.

    A protected image is held against the other clean images of its person (`tmr_protected`), and against the other
    protected ones (`tmr_both`). `drop_over_random` is by how much more the protection lowers the true-match rate than
    the control does. Ranks are among all persons enrolled. `low`, `high`, and the like before another name: 95 %
    interval by bootstrap over persons. `seen`: whether the attack had that recogniser before it. `found`: the share of
    images on which a detector finds a face, `found_clean` of the same ones unprotected. Where the pairs do not
    suffice for a threshold, `note` says so.
    """
    rows: list[dict[str, Any]] = []
    for one in sets:
        shown = one.view(published)
        of_set = {
            "model": one.model,
            "method": one.method,
            "found": mean(shown["found"]),
            "found_clean": mean(clean_set(sets, one).view(published, shown["image"])["found"]),
            "images": len(shown),
        }
        for known in enrolments:
            protected, random = known.probes(shown), known.probes(one.view(control, shown["image"]))
            clean = known.gallery.of(protected.images.tolist())
            of_recogniser = {
                "recogniser": known.recogniser.name,
                "seen": known.recogniser.name in one.seen_by.split(","),
                **_identified(known, clean, protected),
            }
            rows += [
                of_set
                | of_recogniser
                | {"fmr": level.fmr, "threshold": level.value, "note": level.note}
                | _matched(known, level, (clean, protected, random))
                for level in known.thresholds
            ]
    return pd.DataFrame(rows, columns=RECOGNITION_COLUMNS)


def _identified(known: Enrolment, clean: Faces, protected: Faces) -> dict[str, float]:
    before, after = (ranks(known.recogniser, probes, known.gallery + known.others) for probes in (clean, protected))
    return {
        **_named(("rank1_protected", "rank1_low", "rank1_high"), over_persons(after == 1, clean.persons)),
        "rank1_clean": mean(before == 1),
        "rank5_clean": mean(before <= 5),
        "rank5_protected": mean(after <= 5),
    }


def _matched(known: Enrolment, level: Threshold, probes: tuple[Faces, Faces, Faces]) -> dict[str, float]:
    if math.isnan(level.value):
        return {}
    _, protected, _ = probes
    before, after, at_random = (match_rates(known.recogniser, p, known.gallery, level.value) for p in probes)
    both = match_rates(known.recogniser, protected, protected, level.value)
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
    """The mean of those `values` that are not NaN, and its 95 % interval by bootstrap over `persons`."""
    there = ~np.isnan(values)
    return mean_over_clusters(values[there], persons[there])

"""What recognisers still find, against how much of a protection is seen: each method at several strengths."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pfgvm.evaluation.findings.enrolment import Enrolment
from pfgvm.evaluation.findings.recognition_rates import over_persons
from pfgvm.evaluation.findings.verification import match_rates
from pfgvm.evaluation.statistics import mean

VISIBILITY_COLUMNS = [
    "model", "method", "strength", "images", "mssim_face", "flip_face", "recogniser", "seen", "fmr", "tmr", "low",
    "high",
]  # fmt: skip


@dataclass(frozen=True)
class AtStrength:
    """The published images of one method at one strength.

    model: on which they were made, "" for none. seen_by: as in EvaluatedSet. strength: 1 as the settings have it.
    rows: `image`, the metrics `mssim_face` and `flip_face`, and an embedding for each recogniser (Comparison.field).
    """

    model: str
    method: str
    seen_by: str
    strength: float
    rows: np.ndarray


def visibility(points: Sequence[AtStrength], enrolments: Sequence[Enrolment]) -> pd.DataFrame:
    """One row a method, strength and recogniser, in VISIBILITY_COLUMNS; rates in [0, 1], means of the metrics.

    `tmr`: true matches of protected with other clean images of their person, at the highest false-match rate, with
    its 95 % interval by bootstrap over persons; NaN without a threshold. `seen`: whether the method had that recogniser
    before it.
    """
    found = []
    for point in points:
        for known in enrolments:
            level = max(known.thresholds, key=lambda threshold: threshold.fmr)
            probes = known.probes(point.rows)
            rates = (math.nan, math.nan, math.nan)
            if not math.isnan(level.value):
                matched = match_rates(known.recogniser, probes, known.gallery, level.value)
                rates = over_persons(matched, probes.persons)
            found.append(
                {
                    "model": point.model,
                    "method": point.method,
                    "strength": point.strength,
                    "images": len(point.rows),
                    **{name: mean(point.rows[name]) for name in ("mssim_face", "flip_face")},
                    "recogniser": known.recogniser.name,
                    "seen": known.recogniser.name in point.seen_by.split(","),
                    "fmr": level.fmr,
                    **dict(zip(("tmr", "low", "high"), rates, strict=True)),
                }
            )
    table = pd.DataFrame(found, columns=VISIBILITY_COLUMNS)
    return table.sort_values(["model", "method", "recogniser", "strength"], ignore_index=True)

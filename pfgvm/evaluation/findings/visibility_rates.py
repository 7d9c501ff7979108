"""Recognition rates against visibility: each method at several strengths."""

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
    "high", "flip_close", "flip_displaced", "displacement",
]  # fmt: skip
MEASURES = ("mssim_face", "flip_face", "flip_close", "flip_displaced", "displacement")


@dataclass(frozen=True)
class AtStrength:
    """The published images of one method at one strength.

    model: the attacked model, "" for none. seen_by: as in EvaluatedSet. strength: relative to the settings (1).
    rows: `image`, the metrics of MEASURES, and an embedding for each recogniser (Comparison.field).
    """

    model: str
    method: str
    seen_by: str
    strength: float
    rows: np.ndarray


def visibility(points: Sequence[AtStrength], enrolments: Sequence[Enrolment]) -> pd.DataFrame:
    """One row per method, strength and recogniser, in VISIBILITY_COLUMNS; rates in [0, 1], means of the metrics.

    `tmr`: true-match rate of protected images with other clean images of their identity, at the highest false-match
    rate, with its 95 % interval by bootstrap over identities; NaN without a threshold. `seen`: whether the recogniser
    is a white-box recogniser of the method.
    """
    rows = []
    for point in points:
        for enrolment in enrolments:
            level = max(enrolment.thresholds, key=lambda threshold: threshold.fmr)
            probes = enrolment.probes(point.rows)
            rates = (math.nan, math.nan, math.nan)
            if not math.isnan(level.value):
                shares = match_rates(enrolment.recogniser, probes, enrolment.gallery, level.value)
                rates = over_persons(shares, probes.persons)
            rows.append(
                {
                    "model": point.model,
                    "method": point.method,
                    "strength": point.strength,
                    "images": len(point.rows),
                    **{name: mean(point.rows[name]) for name in MEASURES},
                    "recogniser": enrolment.recogniser.name,
                    "seen": enrolment.recogniser.name in point.seen_by.split(","),
                    "fmr": level.fmr,
                    **dict(zip(("tmr", "low", "high"), rates, strict=True)),
                }
            )
    table = pd.DataFrame(rows, columns=VISIBILITY_COLUMNS)
    return table.sort_values(["model", "method", "recogniser", "strength"], ignore_index=True)

"""Robustness of the protection to post-processing."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pfgvm.evaluation.findings.enrolment import Enrolment
from pfgvm.evaluation.findings.recognition_rates import over_persons
from pfgvm.evaluation.findings.sets import EvaluatedSet
from pfgvm.evaluation.findings.verification import match_rates
from pfgvm.evaluation.statistics import interval, mean

ROBUSTNESS_COLUMNS = ["model", "method", "transform", "images", "mr", "low", "high", "target_rate", "mssim"]


def robustness(
    sets: Sequence[EvaluatedSet], transforms: Sequence[str], persons: Mapping[str, str], enrolments: Sequence[Enrolment]
) -> pd.DataFrame:
    """One row per set and transform: ROBUSTNESS_COLUMNS, then three per recogniser; rates in [0, 1].

    persons: identity by image. `mr` and `target_rate` are those of the set's model; `low` and `high` are Wilson's 95 %
    interval of `mr`. `mssim` (Wang) is between the protected and the clean image after the same transform, a measure of
    the remaining perturbation. `NAME_tmr` is the true-match rate of the recogniser NAME with clean images at its first
    threshold; `NAME_low` and `NAME_high` are its 95 % interval by bootstrap over identities.
    """
    rows: list[dict[str, Any]] = []
    for image_set in sets:
        for transform in transforms:
            transformed_rows = image_set.view(transform)
            predicted = transformed_rows[f"predicted_{image_set.model}"]
            misclassified = predicted != [persons[image] for image in transformed_rows["image"].tolist()]
            low, high = interval(int(misclassified.sum()), len(transformed_rows))
            row = {
                "model": image_set.model,
                "method": image_set.method,
                "transform": transform,
                "images": len(transformed_rows),
            }
            row |= {"mr": mean(misclassified), "low": low, "high": high, "mssim": mean(transformed_rows["mssim"])}
            row |= {"target_rate": image_set.target_rate(predicted, transform)}
            for enrolment in enrolments:
                value, probes = enrolment.thresholds[0].value, enrolment.probes(transformed_rows)
                if not math.isnan(value):
                    rates = over_persons(
                        match_rates(enrolment.recogniser, probes, enrolment.gallery, value), probes.persons
                    )
                    row |= dict(zip(_columns(enrolment), rates, strict=True))
            rows.append(row)
    further = [name for enrolment in enrolments for name in _columns(enrolment)]
    return pd.DataFrame(rows, columns=[*ROBUSTNESS_COLUMNS, *further])


def _columns(enrolment: Enrolment) -> list[str]:
    return [f"{enrolment.recogniser.name}_{end}" for end in ("tmr", "low", "high")]

"""What is left of the protection after what happens to images on their way."""

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
    """What is seen of each set after each transform: ROBUSTNESS_COLUMNS, then three a recogniser; rates in [0, 1].

    persons: by image. `mr` and `target_rate` are the set's own model's, with Wilson's 95 % interval of `mr`. `mssim`
    (Wang) compares the protected image with the clean one after the same transform: what is left of the perturbation.
    `NAME_tmr` is the true-match rate of the recogniser NAME against clean images at its first threshold, with
    `NAME_low`, `NAME_high`, its 95 % interval by bootstrap over persons.
    """
    rows: list[dict[str, Any]] = []
    for one in sets:
        for transform in transforms:
            shown = one.view(transform)
            predicted = shown[f"predicted_{one.model}"]
            missed = predicted != [persons[image] for image in shown["image"].tolist()]
            low, high = interval(int(missed.sum()), len(shown))
            row = {"model": one.model, "method": one.method, "transform": transform, "images": len(shown)}
            row |= {"mr": mean(missed), "low": low, "high": high, "mssim": mean(shown["mssim"])}
            row |= {"target_rate": one.target_rate(predicted, transform)}
            for known in enrolments:
                value, probes = known.thresholds[0].value, known.probes(shown)
                if not math.isnan(value):
                    rates = over_persons(match_rates(known.recogniser, probes, known.gallery, value), probes.persons)
                    row |= dict(zip(_columns(known), rates, strict=True))
            rows.append(row)
    further = [name for known in enrolments for name in _columns(known)]
    return pd.DataFrame(rows, columns=[*ROBUSTNESS_COLUMNS, *further])


def _columns(known: Enrolment) -> list[str]:
    return [f"{known.recogniser.name}_{end}" for end in ("tmr", "low", "high")]

"""Whether an attack on one target model misleads the other."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pfgvm.evaluation.findings.sets import EvaluatedSet, clean_set
from pfgvm.evaluation.statistics import interval, mean

TRANSFER_COLUMNS = ["model", "method", "judge", "images", "mr", "low", "high", "target_rate", "clean_error"]


def transfer(sets: Sequence[EvaluatedSet], persons: Mapping[str, str], *, published: str) -> pd.DataFrame:
    """How each model, the `judge`, errs on images made on another: TRANSFER_COLUMNS, rates in [0, 1].

    persons: by image. published: the view of the published image. `low`, `high`: Wilson's 95 % interval of `mr`;
    `clean_error`: how the judge errs on the same images when clean.
    """
    rows = []
    for one in sets:
        for judge in sorted({other.model for other in sets} - {one.model}):
            shown = one.view(published)
            clean = clean_set(sets, one).view(published, shown["image"])
            missed, clean_missed = (
                part[f"predicted_{judge}"] != [persons[image] for image in part["image"].tolist()]
                for part in (shown, clean)
            )
            ends = interval(int(missed.sum()), len(shown))
            to_target = one.target_rate(shown[f"predicted_{judge}"], published)
            rows.append((one.model, one.method, judge, len(shown), mean(missed), *ends, to_target, mean(clean_missed)))
    return pd.DataFrame(rows, columns=TRANSFER_COLUMNS)

"""Transfer of attacks between the target models."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pfgvm.evaluation.findings.sets import EvaluatedSet, clean_set
from pfgvm.evaluation.statistics import interval, mean

TRANSFER_COLUMNS = ["model", "method", "judge", "images", "mr", "low", "high", "target_rate", "clean_error"]


def transfer(sets: Sequence[EvaluatedSet], persons: Mapping[str, str], *, published: str) -> pd.DataFrame:
    """Misclassification rate of each model, the `judge`, on images of another model: TRANSFER_COLUMNS, rates in [0, 1].

    persons: identity by image. published: view of published images. `low`, `high`: Wilson's 95 % interval of `mr`;
    `clean_error`: error rate of the judge on the same images when clean.
    """
    rows = []
    for image_set in sets:
        for judge in sorted({other.model for other in sets} - {image_set.model}):
            published_rows = image_set.view(published)
            clean = clean_set(sets, image_set).view(published, published_rows["image"])
            misclassified, clean_misclassified = (
                view_rows[f"predicted_{judge}"] != [persons[image] for image in view_rows["image"].tolist()]
                for view_rows in (published_rows, clean)
            )
            ends = interval(int(misclassified.sum()), len(published_rows))
            to_target = image_set.target_rate(published_rows[f"predicted_{judge}"], published)
            rows.append(
                (
                    image_set.model,
                    image_set.method,
                    judge,
                    len(published_rows),
                    mean(misclassified),
                    *ends,
                    to_target,
                    mean(clean_misclassified),
                )
            )
    return pd.DataFrame(rows, columns=TRANSFER_COLUMNS)

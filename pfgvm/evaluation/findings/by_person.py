"""Whom the protection serves: MR and L2 by person."""

import pandas as pd

from pfgvm.evaluation.statistics import mean

PERSONS_COLUMNS = ["model", "method", "person", "images", "l2", "mr"]


def by_person(scores: pd.DataFrame) -> pd.DataFrame:
    """Means over each person's images, as computed (float): PERSONS_COLUMNS, `mr` in [0, 1].

    scores: as for pfgvm.report.tables.results.
    """
    exact = scores[scores["pixels"] == "float"]
    missed = exact.assign(mr=exact["predicted"] != exact["person"])
    rows = [
        (model, method, person, len(group), mean(group["l2"]), mean(group["mr"]))
        for (model, method, person), group in missed.groupby(["model", "method", "person"], sort=True)
    ]
    return pd.DataFrame(rows, columns=PERSONS_COLUMNS)

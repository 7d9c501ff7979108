"""How far P-FGVM's L2 is from the smallest that any attack has found for the same images and targets."""

from collections.abc import Sequence

import pandas as pd

from pfgvm.evaluation.statistics import mean, mean_over_clusters

MINIMUM_NORM_COLUMNS = [
    "model", "method", "images", "reached", "l2", "l2_best", "excess", "low", "high",
]  # fmt: skip


def distance_to_best(scores: pd.DataFrame, methods: Sequence[str], references: Sequence[str]) -> pd.DataFrame:
    """One row a model and method, in MINIMUM_NORM_COLUMNS: mean L2 less the best known, over images that it reaches.

    scores: as for pfgvm.report.table_data.results; only `float` rows count. An image is reached by a method where the
    model takes it for the target; its best known L2 is the smallest among the methods and references that reach it.
    `reached`: share in [0, 1] of the images that the method reaches. `excess`: mean of L2 − best L2 over these, with
    its 95 % interval by bootstrap over persons. Without a reference among the scores, the table is empty.
    """
    rows = []
    exact = scores[scores["pixels"] == "float"]
    for model, of_model in exact.groupby("model"):
        if not set(references) & set(of_model["method"]):
            continue
        reached = of_model[of_model["predicted"] == of_model["target"]]
        best = reached[reached["method"].isin([*methods, *references])].groupby("image")["l2"].min()
        for method in [*methods, *references]:
            own = reached[reached["method"] == method]
            if own.empty:
                continue
            excess = own["l2"] - own["image"].map(best)
            rows.append(
                (
                    model, method, len(own), len(own) / (of_model["method"] == method).sum(), mean(own["l2"]),
                    mean(own["image"].map(best)), *mean_over_clusters(list(excess), list(own["person"])),
                )
            )  # fmt: skip
    return pd.DataFrame(rows, columns=MINIMUM_NORM_COLUMNS)

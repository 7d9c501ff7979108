"""L2 of the methods compared with the smallest L2 of any attack on the same images and targets."""

from collections.abc import Sequence

import pandas as pd

from pfgvm.evaluation.statistics import mean, mean_over_clusters

MINIMUM_NORM_COLUMNS = [
    "model", "method", "images", "reached", "l2", "l2_best", "excess", "low", "high",
]  # fmt: skip


def distance_to_best(scores: pd.DataFrame, methods: Sequence[str], minimum_norm: Sequence[str]) -> pd.DataFrame:
    """One row per model and method, in MINIMUM_NORM_COLUMNS: excess of the mean L2 over the best known L2.

    scores: as for pfgvm.report.table_data.results; only `float` rows are used. A method reaches an image if the model
    predicts the target; the best known L2 is the smallest among the attacks that reach it.
    `reached`: share in [0, 1] of the images that the method reaches. `excess`: mean of L2 − best L2 over these images,
    with its 95 % interval by bootstrap over identities. Without a reference in the scores, the table is empty.
    """
    rows = []
    exact = scores[scores["pixels"] == "float"]
    for model, of_model in exact.groupby("model"):
        if not set(minimum_norm) & set(of_model["method"]):
            continue
        reached = of_model[of_model["predicted"] == of_model["target"]]
        best = reached[reached["method"].isin([*methods, *minimum_norm])].groupby("image")["l2"].min()
        for method in [*methods, *minimum_norm]:
            of_method = reached[reached["method"] == method]
            if of_method.empty:
                continue
            excess = of_method["l2"] - of_method["image"].map(best)
            rows.append(
                (
                    model, method, len(of_method), len(of_method) / (of_model["method"] == method).sum(),
                    mean(of_method["l2"]), mean(of_method["image"].map(best)),
                    *mean_over_clusters(list(excess), list(of_method["person"])),
                )
            )  # fmt: skip
    return pd.DataFrame(rows, columns=MINIMUM_NORM_COLUMNS)

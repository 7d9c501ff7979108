"""Trade-off curves of the methods over their parameter values."""

import math
from itertools import pairwise

import pandas as pd

from pfgvm.evaluation.statistics import interval, mean

# One row per image, model, method and parameter value.
CURVE_SCORES = [
    "image", "person", "model", "method", "parameter", "value", "target", "predicted", "l2", "mssim", "mssim_legacy",
    "of_settings",
]  # fmt: skip
CURVES_COLUMNS = [
    "model", "method", "parameter", "value", "images", "l2", "mssim", "mssim_legacy", "mr", "target_rate",
    "mr_low", "mr_high", "of_settings",
]  # fmt: skip
EQUAL_MR_COLUMNS = ["model", "method", "other", "mr", "other_l2", "other_mssim_legacy", "l2", "mssim_legacy"]


def curves(scores: pd.DataFrame) -> pd.DataFrame:
    """Means over images, one row per model, method and value, in CURVES_COLUMNS; rates in [0, 1].

    scores: columns CURVE_SCORES, metrics and values as numbers. `mr_low`, `mr_high`: Wilson's 95 % interval.
    `of_settings`: whether the value is that of the settings.
    """
    rows = []
    for (model, method, parameter, value, of_settings), group in scores.groupby(
        ["model", "method", "parameter", "value", "of_settings"], sort=True
    ):
        misclassified = group["predicted"] != group["person"]
        low, high = interval(int(misclassified.sum()), len(group))
        rows.append(
            {
                "model": model,
                "method": method,
                "parameter": parameter,
                "value": value,
                "images": len(group),
                **{name: mean(group[name]) for name in ("l2", "mssim", "mssim_legacy")},
                "mr": mean(misclassified),
                "target_rate": mean(group["predicted"] == group["target"]),
                "mr_low": low,
                "mr_high": high,
                "of_settings": of_settings,
            }
        )
    return pd.DataFrame(rows, columns=CURVES_COLUMNS)


def at_equal_mr(table: pd.DataFrame, proposed: str) -> pd.DataFrame:
    """`proposed` at the MR of each other method, and each other method at the MR of `proposed`: EQUAL_MR_COLUMNS.

    table: from `curves`. `other` is the method whose MR at the settings' value is to be reached. `l2` and
    `mssim_legacy` are those of `method` where it first reaches that MR (see `cheapest`); NaN if it does not.
    """
    rows = []
    for model in sorted(set(table["model"])):
        points = dict(iter(table[table["model"] == model].groupby("method")))
        for other in points:
            for method, aim in ((proposed, other), (other, proposed)):
                if proposed not in points or other == proposed:
                    continue
                [reference] = points[aim][points[aim]["of_settings"]].to_dict("records")
                l2, similarity = cheapest(points[method], reference["mr"])
                rows.append(
                    (model, method, aim, reference["mr"], reference["l2"], reference["mssim_legacy"], l2, similarity)
                )
    return pd.DataFrame(rows, columns=EQUAL_MR_COLUMNS)


def cheapest(points: pd.DataFrame, mr: float) -> tuple[float, float]:
    """Smallest L2, with its legacy MSSIM, at which a trade-off curve reaches the misclassification rate `mr`.

    points: rows of `curves` of one model and method; all three are interpolated linearly between neighbouring values.
    NaN if the rate is not reached.
    """
    ordered = points.sort_values("value")[["l2", "mssim_legacy", "mr"]].to_numpy().tolist()
    reached = [(l2, similarity) for l2, similarity, rate in ordered if rate >= mr]
    for left, right in pairwise(ordered):
        low, high = sorted((left, right), key=lambda point: point[2])
        if low[2] < mr < high[2]:
            share = (mr - low[2]) / (high[2] - low[2])
            reached.append(tuple(a + share * (b - a) for a, b in zip(low[:2], high[:2], strict=True)))
    return min(reached) if reached else (math.nan, math.nan)

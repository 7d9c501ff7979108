"""What a method costs against what it reaches, over the values of its parameter."""

import math
from itertools import pairwise

import pandas as pd

from pfgvm.evaluation.statistics import interval, mean

# One row an image, model, method and value of the parameter.
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
    """Means over the images, one row a model, method and value, in CURVES_COLUMNS; rates in [0, 1].

    scores: CURVE_SCORES, metrics and values as numbers. `mr_low`, `mr_high`: Wilson's 95 % interval. `of_settings`:
    whether the value is that of the settings.
    """
    rows = []
    for (model, method, parameter, value, of_settings), group in scores.groupby(
        ["model", "method", "parameter", "value", "of_settings"], sort=True
    ):
        missed = group["predicted"] != group["person"]
        low, high = interval(int(missed.sum()), len(group))
        rows.append(
            {
                "model": model,
                "method": method,
                "parameter": parameter,
                "value": value,
                "images": len(group),
                **{name: mean(group[name]) for name in ("l2", "mssim", "mssim_legacy")},
                "mr": mean(missed),
                "target_rate": mean(group["predicted"] == group["target"]),
                "mr_low": low,
                "mr_high": high,
                "of_settings": of_settings,
            }
        )
    return pd.DataFrame(rows, columns=CURVES_COLUMNS)


def at_equal_mr(table: pd.DataFrame, proposed: str) -> pd.DataFrame:
    """`proposed` at the MR of each other method, and each other method at that of `proposed`: EQUAL_MR_COLUMNS.

    table: from `curves`. `other` is the method whose MR at the value of the settings is to be reached; `l2` and
    `mssim_legacy` are those of `method` where it first reaches it (see `cheapest`), NaN where it never does.
    """
    rows = []
    for model in sorted(set(table["model"])):
        points = dict(iter(table[table["model"] == model].groupby("method")))
        for other in points:
            for method, aim in ((proposed, other), (other, proposed)):
                if proposed not in points or other == proposed:
                    continue
                [own] = points[aim][points[aim]["of_settings"]].to_dict("records")
                l2, similarity = cheapest(points[method], own["mr"])
                rows.append((model, method, aim, own["mr"], own["l2"], own["mssim_legacy"], l2, similarity))
    return pd.DataFrame(rows, columns=EQUAL_MR_COLUMNS)


def cheapest(points: pd.DataFrame, mr: float) -> tuple[float, float]:
    """The smallest L2, and the legacy MSSIM there, at which a curve reaches a misclassification rate of `mr`.

    points: rows of `curves` of one model and method; between neighbours in `value`, all three run linearly. NaN where
    the rate is never reached.
    """
    ordered = points.sort_values("value")[["l2", "mssim_legacy", "mr"]].to_numpy().tolist()
    reached = [(l2, similarity) for l2, similarity, rate in ordered if rate >= mr]
    for left, right in pairwise(ordered):
        low, high = sorted((left, right), key=lambda point: point[2])
        if low[2] < mr < high[2]:
            share = (mr - low[2]) / (high[2] - low[2])
            reached.append(tuple(a + share * (b - a) for a, b in zip(low[:2], high[:2], strict=True)))
    return min(reached) if reached else (math.nan, math.nan)

"""Readings of what the paper leaves open, each compared with its Table 3."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pfgvm.evaluation.statistics import mean
from pfgvm.methods import PAPER_METHODS
from pfgvm.report.formatted_table import FormattedTable
from pfgvm.report.published import NEAR, l2_growth, published_cells
from pfgvm.report.table3 import MEASURES, SI_NOTE
from pfgvm.report.table_data import results

READINGS_COLUMNS = [
    "reading", "attacked", "model", "method", "image_height", "image_width", "images", "l2", "l2_at_paper_size",
    "mssim", "mssim_legacy", "mr", "target_rate", "distance",
]  # fmt: skip


def of_one_reading(scores: pd.DataFrame, image_size: tuple[int, int], paper: Mapping, reading: str) -> pd.DataFrame:
    """The paper's methods under the `reading`, over `all` images and over the `test` images only: READINGS_COLUMNS.

    scores: as for pfgvm.report.table_data.results, of one model, on images of `image_size` (height, width).
    `l2_at_paper_size` is L2 times pfgvm.report.published.l2_growth. `distance` is the mean over the cells of a reading
    of |ours − paper's|, in units of NEAR. Without attacked test images, the rows for `test` are missing.
    """
    [model] = scores["model"].unique()
    growth = l2_growth(paper, image_size)
    parts = []
    for attacked, rows in (("all", scores), ("test", scores[scores["split"] == "test"])):
        if rows.empty:
            continue
        table3 = results(rows, {model: "none"})
        table3 = table3[(table3["pixels"] == "float") & table3["method"].isin(PAPER_METHODS)]
        table3 = table3.assign(reading=reading, attacked=attacked)
        table3 = table3.assign(image_height=image_size[0], image_width=image_size[1])
        table3 = table3.assign(l2_at_paper_size=table3["l2"] * growth)
        parts.append(table3.assign(distance=_distance(table3, paper, model))[READINGS_COLUMNS])
    return pd.concat(parts)


def _distance(table3: pd.DataFrame, paper: Mapping, model: str) -> float:
    rows = table3.assign(l2=table3["l2_at_paper_size"]).set_index("method")
    published = {method: published_cells(paper, model, method) for method in PAPER_METHODS}
    return mean(
        abs(rows.loc[method, measure] - published[method][measure]) / near
        for method in PAPER_METHODS
        for measure, near in NEAR.items()
    )


def readings_table(readings: pd.DataFrame, paper: Mapping) -> FormattedTable:
    """The paper's row, then one row a reading, sorted by distance; readings: READINGS_COLUMNS."""
    [model] = readings["model"].unique()
    published = [list(published_cells(paper, model, method).values()) for method in PAPER_METHODS]
    lines = [["paper", "", "", *_cells(published), ""]]
    for (distance, reading, attacked), rows in readings.groupby(["distance", "reading", "attacked"]):
        by_method = rows.set_index("method")
        ours = [by_method.loc[method, ["l2_at_paper_size", "mssim_legacy", "mr"]] for method in PAPER_METHODS]
        lines.append([reading, attacked, str(rows["images"].max()), *_cells(ours), f"{distance:.2f}"])
    names = [("", name) for name in ("Reading", "Attacked", "Images")]
    return FormattedTable(
        "table:readings",
        "Readings",
        "A small distance means that the reading fits the paper. "
        f"Model {model} of Table 3 under readings of what the paper leaves open, each with one change.",
        columns=[
            *names,
            *[(method, name) for method in PAPER_METHODS for name in ("L2", "SI", "MR")],
            ("", "Distance"),
        ],
        rows=lines,
        left=2,
        notes=(
            "L2: scaled to the paper's image size by the root of the ratio of the numbers of pixels.",
            "Distance: mean absolute difference from the paper's nine values, in units of 0.5 (L2), 0.005 (SI) and 1.5 "
            "points (MR).",
            f"{SI_NOTE}.",
        ),
    )


def _cells(values: Sequence[Sequence[float]]) -> list[str]:
    forms = list(MEASURES.values())
    return [
        f"{factor * value:.{digits}f}{unit}"
        for row in values
        for value, (digits, factor, unit) in zip(row, forms, strict=True)
    ]

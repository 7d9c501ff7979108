"""Trade-off curves: MR over L2 and SI, for the values of each method's parameter."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pfgvm.report.numbers import per_cent
from pfgvm.report.plots.drawing import SMALL, legend, styled
from pfgvm.report.plots.method_lines import entry, method_line, rate_panels
from pfgvm.report.plots.palette import Style, styles
from pfgvm.report.plots.point_labels import label_points

_MEASURES = {"l2": "mean L2 (pixels in [0, 1])", "mssim_legacy": "SI (mean MSSIM, legacy)"}
_SYMBOLS = {"lambda": "λ", "epsilon": "ε"}
_SHAPES = {"o": "●", "^": "▲", "v": "▼"}
_MARGIN = 0.18  # Above 100 %, for labels.


@styled
def trade_off(curves: pd.DataFrame, headings: Mapping[str, str]) -> Figure:
    """One row a model: MR in [0, 1] over L2 and over SI, one line a method, with 95 % intervals of MR.

    curves: CURVES_COLUMNS of pfgvm.evaluation.findings.trade_off, numbers as numbers. headings: by model. The value of
    the settings has the larger marker; it and the ends of a line are labelled where space permits. If all MR of a model
    are equal, a sentence replaces its row.
    """
    by_method = styles(curves["method"])
    symbols = dict(zip(curves["method"], curves["parameter"].map(_SYMBOLS), strict=True))
    by_model = {model: _points(rows, by_method) for model, rows in curves.groupby("model", sort=True)}
    varying = {model: points for model, points in by_model.items() if points["y"].nunique() > 1} or by_model
    figure, grid = rate_panels([f"{headings[model]}: MR over L2 and SI" for model in varying], _MEASURES, "MR")
    for row, points in enumerate(varying.values()):
        for method, line in points.groupby("method"):
            for column, measure in enumerate(_MEASURES):
                method_line(grid[row, column], line.assign(x=line[measure]), by_method[method])
    grid[0, 0].set_ylim(np.floor(4 * curves["mr_low"].min()) / 4 - 0.04, 1 + _MARGIN)
    sentences = [
        f"{headings[model]}: MR is {per_cent(points['y'].iloc[0])} % at every value of λ and ε."
        for model, points in by_model.items()
        if model not in varying
    ]
    if sentences:
        figure.suptitle("\n".join(sentences), size=SMALL + 2, weight="bold", x=0.01, ha="left")
    legend(figure, [entry(style, f"{method}, over {symbols[method]}") for method, style in by_method.items()])
    # Labels are placed in the final layout.
    figure.draw_without_rendering()
    for row, points in enumerate(varying.values()):
        labelled = points[points["label"] != ""].sort_values("as_set", ascending=False, kind="stable")
        for column, measure in enumerate(_MEASURES):
            lines = [line[[measure, "y"]].to_numpy() for _, line in points.groupby("method")]
            label_points(figure, grid[row, column], labelled[[measure, "y", "label"]].to_numpy().tolist(), lines)
    return figure


def _points(rows: pd.DataFrame, by_method: Mapping[str, Style]) -> pd.DataFrame:
    """The points of one model: the columns of method_line except x, and `label`, "" for points without one."""
    values, grouped = rows["value"], rows.groupby("method")["value"]
    ends = (values == grouped.transform("min")) | (values == grouped.transform("max"))
    shapes = rows["method"].map(lambda method: _SHAPES.get(by_method[method].marker, method))
    texts = shapes + values.map(" {:g}".format)
    as_set = rows["of_settings"]
    drawn = rows.rename(columns={"mr": "y", "mr_low": "low", "mr_high": "high"}).assign(as_set=as_set)
    return drawn.assign(label=texts.where(ends | as_set, "")).sort_values(["method", "value"])

"""What each method costs against what it reaches, over the values of its parameter."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from pfgvm.report.words import PAPER_METHODS

_MEASURES = {"l2": "mean L2", "mssim_legacy": "SI (mean MSSIM, legacy)"}
_SYMBOLS = {"lambda": "λ", "epsilon": "ε"}


def trade_off(curves: pd.DataFrame) -> Figure:
    """By model a row: MR in [0, 1] against L2 and against SI, one line a method, its parameter's values beside it.

    curves: CURVES_COLUMNS of pfgvm.evaluation.findings.trade_off, numbers as numbers; without rows, the figure says so.
    """
    models = sorted(set(curves["model"]))
    with sns.axes_style("whitegrid", {"grid.color": "#e6e6e6", "axes.edgecolor": "#888888"}):
        figure = Figure(figsize=(9, 0.5 + 3.2 * max(1, len(models))), layout="constrained")
        if not models:
            figure.text(0.5, 0.5, "not measured: evaluation.parts does not name curves", ha="center")
            return figure
        grid = figure.subplots(len(models), len(_MEASURES), sharey=True, squeeze=False)
    palette = dict(zip(PAPER_METHODS, sns.color_palette("colorblind"), strict=False))
    for row, model in enumerate(models):
        for column, (measure, label) in enumerate(_MEASURES.items()):
            ax = grid[row, column]
            for method, points in curves[curves["model"] == model].groupby("method"):
                ordered = points.sort_values("value")
                ax.plot(ordered[measure], ordered["mr"], "o-", color=palette[method], label=method, ms=4, lw=1.4)
                for point in ordered.to_dict("records"):
                    text = f"{_SYMBOLS[point['parameter']]} {point['value']:g}"
                    place = (point[measure], point["mr"])
                    ax.annotate(text, place, (3, -9), textcoords="offset points", size=6.5, color=palette[method])
            ax.set(xlabel=label, ylim=(-0.03, 1.05), title=f"Model {model}" if column == 0 else "")
        grid[row, 0].set_ylabel("MR")
    grid[0, -1].legend(loc="lower left", fontsize=8)
    sns.despine(figure)
    return figure

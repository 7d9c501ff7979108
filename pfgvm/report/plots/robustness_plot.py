"""The misclassification rate of each method after post-processing."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pfgvm.report.plots.drawing import INK, SHADE, from_0_to_1, legend, panels, styled
from pfgvm.report.plots.palette import Style, styles

_SPREAD = 0.8  # The share of a transform's place for its methods.


@styled
def robustness_figure(robustness: pd.DataFrame, headings: Mapping[str, str]) -> Figure:
    """One panel a model: MR after each transform, in [0, 1], one marker a method, with 95 % intervals.

    robustness: ROBUSTNESS_COLUMNS of pfgvm.evaluation.findings.robustness_rates, numbers as numbers. headings: by
    model.
    """
    transforms, methods = (list(dict.fromkeys(robustness[name])) for name in ("transform", "method"))
    models = sorted(set(robustness["model"]))
    by_method = styles(methods)
    figure, grid = panels(len(models), 1, 0.8 + 2.6 * len(models), sharex=True)
    for ax, model in zip(grid[:, 0], models, strict=True):
        rows = robustness[robustness["model"] == model]
        offsets = _SPREAD * ((np.arange(len(methods)) + 0.5) / len(methods) - 0.5)
        for method, offset in zip(methods, offsets, strict=True):
            after = rows[rows["method"] == method]
            _dots(ax, after.assign(x=after["transform"].map(transforms.index) + offset), by_method[method])
        for number in range(1, len(transforms), 2):
            ax.axvspan(number - 0.5, number + 0.5, facecolor=INK, alpha=SHADE, edgecolor="none")
        ax.set(title=f"{headings[model]}: MR after post-processing", ylabel="MR", xlim=(-0.5, len(transforms) - 0.5))
        ax.set_xticks(range(len(transforms)), transforms)
        ax.grid(axis="x", visible=False)
        from_0_to_1(ax, "y")
    legend(figure, [_marker(by_method[method], method) for method in methods], columns=5)
    return figure


def _dots(ax: Axes, points: pd.DataFrame, style: Style) -> None:
    ax.vlines(points["x"], points["low"], points["high"], color=style.colour, linewidth=1)
    ax.plot(points["x"], points["mr"], style.marker, color=style.colour, markersize=4)


def _marker(style: Style, method: str) -> Line2D:
    return Line2D([], [], color=style.colour, marker=style.marker, linestyle="", label=method)

"""What recognisers still find against how much of a protection is seen, method by method."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from pfgvm.report.words import recogniser_label

_MEASURES = {"mssim_face": "mean MSSIM of the face (Wang)", "flip_face": "mean ꟻLIP of the face"}


def visibility_figure(visibility: pd.DataFrame) -> Figure:
    """By recogniser a row: true matches, in [0, 1], against MSSIM and ꟻLIP of the face, one line a method.

    visibility: VISIBILITY_COLUMNS of pfgvm.evaluation.findings.visibility, numbers as numbers. The strength of the
    settings is filled, others are hollow; a method that had the recogniser before it is dashed. Without rows, the
    figure says so.
    """
    names = list(dict.fromkeys(visibility["recogniser"]))
    with sns.axes_style("whitegrid", {"grid.color": "#e6e6e6", "axes.edgecolor": "#888888"}):
        figure = Figure(figsize=(9, 0.5 + 3.4 * max(1, len(names))), layout="constrained")
        if not names:
            figure.text(0.5, 0.5, "not measured: evaluation.parts does not name curves", ha="center")
            return figure
        grid = figure.subplots(len(names), len(_MEASURES), sharey=True, squeeze=False)
    labelled = visibility.assign(
        line=[f"{method} (Model {model})" if model else method for model, method in _keys(visibility)]
    )
    palette = dict(zip(dict.fromkeys(labelled["line"]), sns.color_palette("colorblind"), strict=False))
    for row, name in enumerate(names):
        for column, (measure, label) in enumerate(_MEASURES.items()):
            ax = grid[row, column]
            for line, points in labelled[labelled["recogniser"] == name].groupby("line", sort=False):
                ordered, colour = points.sort_values("strength"), palette[line]
                style = "--" if ordered["seen"].all() else "-"
                ax.plot(ordered[measure], ordered["tmr"], style, color=colour, label=line, lw=1.4)
                for filled, some in ordered.groupby(ordered["strength"] == 1):
                    face = colour if filled else "white"
                    ax.plot(some[measure], some["tmr"], "o", color=colour, markerfacecolor=face, ms=5)
            ax.set(xlabel=label, ylim=(-0.03, 1.05), title=recogniser_label(name) if column == 0 else "")
        # Less is seen to the left of either.
        grid[row, 0].invert_xaxis()
        grid[row, 0].set_ylabel("true matches")
    grid[0, -1].legend(loc="upper right", fontsize=7.5)
    sns.despine(figure)
    return figure


def _keys(visibility: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(visibility["model"], visibility["method"], strict=True))

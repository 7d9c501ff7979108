"""One line a method over its strengths, for the trade-off plots."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pfgvm.report.plots.drawing import from_0_to_1, panels
from pfgvm.report.plots.palette import Style

_SIZES = {False: 4, True: 8}


def rate_panels(headings: Sequence[str], measures: Mapping[str, str], rate: str) -> tuple[Figure, np.ndarray]:
    """A row of panels for each of `headings`: a rate with the label `rate` over each of `measures`.

    measures: labels by name. Returns the figure and its axes, (headings, measures).
    """
    figure, grid = panels(len(headings), len(measures), 0.8 + 3.2 * len(headings), sharey=True)
    for row, heading in enumerate(headings):
        grid[row, 0].set(title=heading, ylabel=rate)
        from_0_to_1(grid[row, 0], "y")
        for column, label in enumerate(measures.values()):
            grid[row, column].set_xlabel(label)
            grid[row, column].margins(x=0.08)
    return figure, grid


def method_line(ax: Axes, points: pd.DataFrame, style: Style, dash: str = "-") -> None:
    """Draw one method; points: columns x, y, low, high (interval of y) and as_set (True for a large marker)."""
    ax.plot(points["x"], points["y"], dash, color=style.colour)
    ax.vlines(points["x"], points["low"], points["high"], color=style.colour, alpha=0.3, linewidth=1)
    for as_set, part in points.groupby("as_set"):
        ax.plot(part["x"], part["y"], style.marker, color=style.colour, markersize=_SIZES[bool(as_set)])


def entry(style: Style, label: str) -> Line2D:
    """The legend entry of a method."""
    return Line2D([], [], color=style.colour, marker=style.marker, label=label)

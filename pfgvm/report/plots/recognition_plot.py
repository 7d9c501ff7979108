"""Recognition of protected images: TMR of each method and recogniser."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from textwrap import fill
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.methods import CLEAN
from pfgvm.report.plots.drawing import INK, SMALL, from_0_to_1, legend, panels, styled
from pfgvm.report.plots.palette import Style, styles

_COLUMNS = 4
_LINE = 0.22  # Inches.


@styled
def recognition_figure(recognition: pd.DataFrame, headings: Mapping[str, str]) -> Figure:
    """One panel a recogniser: TMR of each method on each model, with 95 % intervals, and TMR of clean images.

    recognition: RECOGNITION_COLUMNS of pfgvm.evaluation.findings.recognition_rates, numbers as numbers, of which the
    highest false-match rate is shown. headings: by model. White-box results have hollow markers and dashed intervals. A
    panel without a threshold states the reason.
    """
    fmr = recognition["fmr"].max()
    shown = recognition[(recognition["fmr"] == fmr) & (recognition["method"] != CLEAN)]
    places = _places(list(dict.fromkeys(zip(shown["model"], shown["method"], strict=True))))
    by_method, by_recogniser = styles(shown["method"]), dict(iter(shown.groupby("recogniser", sort=False)))
    rows = math.ceil(len(by_recogniser) / _COLUMNS)
    columns = math.ceil(len(by_recogniser) / rows)
    bottom = max(places.values()) + 0.7
    figure, grid = panels(rows, columns, 0.4 + rows * (0.9 + _LINE * bottom), sharey=True)
    for ax in grid.flat[len(by_recogniser) :]:
        ax.remove()
    for ax, (name, results) in zip(grid.flat, by_recogniser.items(), strict=False):
        for row in results.to_dict("records"):
            _line(ax, row, places[row["model"], row["method"]], by_method[row["method"]])
        if results["tmr_protected"].isna().all():
            ax.text(0.5, bottom / 2, fill(f"no threshold: {results['note'].iloc[0]}", 22), ha="center", size=SMALL)
        from_0_to_1(ax, "x")
        ax.set(title=recogniser_label(name), xlabel=f"TMR at FMR {100 * fmr:g} %")
    _name(list(grid[:, 0]), places, headings)
    grid[0, 0].set_ylim(bottom, -0.7)
    legend(figure, _entries(white_box=bool(shown["seen"].any())))
    return figure


def _places(sets: Sequence[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """The line of each (model, method), counted from the top, with a heading (model, "") above each model."""
    places: dict[tuple[str, str], float] = {}
    below = 0.0
    for model, group in groupby(sets, key=lambda pair: pair[0]):
        for pair in [(model, ""), *group]:
            places[pair] = below
            below += 1
        below += 0.4
    return places


def _name(axes: Sequence[Axes], places: Mapping[tuple[str, str], float], headings: Mapping[str, str]) -> None:
    """Label the lines at the left of each of `axes`."""
    for ax in axes:
        ax.set_yticks(list(places.values()), [method or headings[model] for model, method in places])
        for label, (_, method) in zip(ax.get_yticklabels(), places, strict=True):
            label.set_fontweight("normal" if method else "bold")


def _line(ax: Axes, row: Mapping[Any, Any], y: float, style: Style) -> None:
    line, fill_style = ("--", "none") if row["seen"] else ("-", "full")
    ax.plot([row["low"], row["high"]], [y, y], line, color=style.colour)
    ax.plot(row["tmr_protected"], y, style.marker, color=style.colour, markersize=6, fillstyle=fill_style)
    ax.plot(row["tmr_clean"], y, "|", color=INK, markersize=11)


def _entries(*, white_box: bool) -> list[Line2D]:
    black = Line2D([], [], color=INK, marker="o", label="protected images, 95 % CI")
    white = Line2D([], [], color=INK, marker="o", fillstyle="none", linestyle="--", label="white-box recogniser")
    clean = Line2D([], [], color=INK, marker="|", markersize=11, linestyle="", label="clean images")
    return [black, white, clean] if white_box else [black, clean]

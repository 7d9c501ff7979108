"""Which protected pictures recognisers still find, method by method."""

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
    """By recogniser a panel: true matches of each method on each model, with 95 % intervals, and of clean pictures.

    recognition: RECOGNITION_COLUMNS of pfgvm.evaluation.findings.recognition_rates, numbers as numbers; those at
    the highest false-match rate are shown. headings: by model. What used the recogniser is dashed and marked "seen"; a
    recogniser without a threshold says why.
    """
    fmr = recognition["fmr"].max()
    shown = recognition[(recognition["fmr"] == fmr) & (recognition["method"] != CLEAN)]
    places = _places(list(dict.fromkeys(zip(shown["model"], shown["method"], strict=True))))
    how, by_recogniser = styles(shown["method"]), dict(iter(shown.groupby("recogniser", sort=False)))
    rows = math.ceil(len(by_recogniser) / _COLUMNS)
    columns = math.ceil(len(by_recogniser) / rows)
    bottom = max(places.values()) + 0.7
    figure, grid = panels(rows, columns, 0.4 + rows * (0.9 + _LINE * bottom), sharey=True)
    for ax in grid.flat[len(by_recogniser) :]:
        ax.remove()
    for ax, (name, found) in zip(grid.flat, by_recogniser.items(), strict=False):
        for row in found.to_dict("records"):
            _line(ax, row, places[row["model"], row["method"]], how[row["method"]])
        if found["tmr_protected"].isna().all():
            ax.text(0.5, bottom / 2, fill(f"no threshold: {found['note'].iloc[0]}", 22), ha="center", size=SMALL)
        from_0_to_1(ax, "x")
        ax.set(title=recogniser_label(name), xlabel=f"true matches\nat {100 * fmr:g} % false ones")
    _name(list(grid[:, 0]), places, headings)
    grid[0, 0].set_ylim(bottom, -0.7)
    legend(figure, _explained(bool(shown["seen"].any())))
    return figure


def _places(made: Sequence[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """How far down each (model, method) stands, in lines, each model below its own heading (model, "")."""
    places: dict[tuple[str, str], float] = {}
    below = 0.0
    for model, group in groupby(made, key=lambda pair: pair[0]):
        for pair in [(model, ""), *group]:
            places[pair] = below
            below += 1
        below += 0.4
    return places


def _name(axes: Sequence[Axes], places: Mapping[tuple[str, str], float], headings: Mapping[str, str]) -> None:
    """Name the lines at the left of each of `axes`."""
    for ax in axes:
        ax.set_yticks(list(places.values()), [method or headings[model] for model, method in places])
        for label, (_, method) in zip(ax.get_yticklabels(), places, strict=True):
            label.set_fontweight("normal" if method else "bold")


def _line(ax: Axes, row: Mapping[Any, Any], y: float, style: Style) -> None:
    ax.plot([row["low"], row["high"]], [y, y], "--" if row["seen"] else "-", color=style.colour)
    ax.plot(row["tmr_protected"], y, style.marker, color=style.colour, markersize=6)
    ax.plot(row["tmr_clean"], y, "|", color=INK, markersize=11)
    if row["seen"]:
        # Not over the stroke, nor beyond the panel.
        right = row["high"] < 0.8 and not 0 <= row["tmr_clean"] - row["high"] < 0.25
        end, offset, side = (row["high"], 7, "left") if right else (row["low"], -7, "right")
        ax.annotate("seen", (end, y), (offset, 0), textcoords="offset points", ha=side, va="center", size=SMALL)


def _explained(seen: bool) -> list[Line2D]:
    found = [
        Line2D([], [], color=INK, marker="o", label="protected pictures, 95 % interval"),
        Line2D([], [], color=INK, marker="|", markersize=11, linestyle="", label="clean pictures"),
    ]
    dashed = Line2D([], [], color=INK, linestyle="--", label="seen: had that recogniser before it")
    return [*found, dashed] if seen else found

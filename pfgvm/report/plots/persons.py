"""Whom the protection serves: L2, MR and recognition, person by person."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pfgvm.report.names import escaped, shortened
from pfgvm.report.plots.drawing import INK, SHADE, SMALL, from_0_to_1, legend, panels, styled
from pfgvm.report.plots.palette import KNOWN
from pfgvm.report.protection.persons import tenth, worst_first
from pfgvm.report.words import PAPER_METHODS, model_name, recogniser_label

_METHOD = PAPER_METHODS[0]
_LINE = 0.18  # Inches that a name needs.
_NAMED = 40  # Of more persons, not all are named.
_NAME_LENGTH = 24


@styled
def persons_figure(persons: pd.DataFrame, recognised: pd.DataFrame, descriptors: Mapping[str, str]) -> Figure:
    """By model a row of panels: MR, mean L2 and true matches of P-FGVM, a person a line, whom it serves worst first.

    persons, recognised: PERSONS_COLUMNS and RECOGNISED_PERSONS_COLUMNS of pfgvm.evaluation.findings.by_person, numbers
    as numbers; without rows of `recognised`, there is no panel of recognisers. descriptors: by model; P-FGVM had that
    recogniser before it. Ordered by MR, then L2; the tenth of the persons at either end lies on a shade.
    """
    models = {model: worst_first(rows) for model, rows in persons[persons["method"] == _METHOD].groupby("model")}
    matched = recognised[recognised["method"] == _METHOD]
    names = list(dict.fromkeys(matched["recogniser"]))
    tallest = max(min(_NAMED, len(rows)) for rows in models.values())
    figure, grid = panels(len(models), 2 + len(names), 0.6 + len(models) * (0.7 + _LINE * tallest), sharex="col")
    for axes, (model, rows) in zip(grid, models.items(), strict=True):
        _dots(axes[0], rows["mr"])
        _dots(axes[1], rows["l2"])
        for ax, name in zip(axes[2:], names, strict=True):
            of_it = matched[(matched["model"] == model) & (matched["recogniser"] == name)]
            _matches(ax, of_it.set_index("person").reindex(rows["person"]))
            seen = " (seen)" if name == descriptors[model] else ""
            ax.set_xlabel(f"true matches\n{recogniser_label(name)}{seen}")
            from_0_to_1(ax, "x")
        axes[0].set_title(model_name(model, descriptors))
        axes[0].set_xlabel("MR")
        from_0_to_1(axes[0], "x")
        axes[1].set_xlabel("mean L2")
        for ax in axes:
            ax.tick_params(labelbottom=True)
        _ends(axes, len(rows))
        _name(axes, rows["person"].tolist())
    clean = Line2D([], [], color=INK, marker="|", markersize=9, linestyle="", label="clean pictures")
    own = Line2D(
        [], [], color=KNOWN[_METHOD].colour, marker="o", linestyle="", label=f"pictures protected by {_METHOD}"
    )
    legend(figure, [own, clean] if names else [own])
    return figure


def _dots(ax: Axes, values: pd.Series) -> None:
    ax.plot(values, range(len(values)), "o", color=KNOWN[_METHOD].colour)


def _matches(ax: Axes, rows: pd.DataFrame) -> None:
    places = range(len(rows))
    ax.hlines(places, rows["tmr_clean"], rows["tmr_protected"], color=KNOWN[_METHOD].colour, alpha=0.4, linewidth=1)
    ax.plot(rows["tmr_clean"], places, "|", color=INK, markersize=9)
    _dots(ax, rows["tmr_protected"])


def _ends(axes: Sequence[Axes], count: int) -> None:
    """Shade the tenth at either end of `count` persons, and say so at the right."""
    ends = {"worst\ntenth": (-0.5, tenth(count) - 0.5), "best\ntenth": (count - tenth(count) - 0.5, count - 0.5)}
    for name, (first, last) in ends.items():
        for ax in axes:
            ax.axhspan(first, last, facecolor=INK, alpha=SHADE, edgecolor="none")
        place = (1.02, (first + last) / 2)
        axes[-1].text(*place, name, transform=axes[-1].get_yaxis_transform(), va="center", size=SMALL)


def _name(axes: Sequence[Axes], persons: Sequence[str]) -> None:
    """Name the lines of the panels `axes`: every one, or as many as there is room for."""
    written = {name: "".join(c if c.isprintable() else escaped(c) for c in name) for name in persons}
    short = shortened(written.values(), _NAME_LENGTH)
    named = range(0, len(persons), math.ceil(len(persons) / _NAMED))
    for ax in axes:
        ax.set(ylim=(len(persons) - 0.5, -0.5), yticks=named, yticklabels=[])
        ax.grid(axis="y", visible=False)
    axes[0].set_yticklabels([short[written[persons[number]]] for number in named])

"""Misclassification, L2 and recognition, identity by identity."""

import math
from collections.abc import Mapping, Sequence, Sized

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pfgvm.methods import PROPOSED
from pfgvm.report.names import escaped, shortened
from pfgvm.report.persons_table import tenth, worst_first
from pfgvm.report.plots.drawing import INK, SHADE, SMALL, from_0_to_1, panels, styled
from pfgvm.report.plots.palette import KNOWN
from pfgvm.report.words import model_name

_LINE = 0.18  # Inches that a name needs.
_NAMED = 40  # Of more persons, not all are named.
_NAME_LENGTH = 24


@styled
def persons_figure(persons: pd.DataFrame, descriptors: Mapping[str, str]) -> Figure:
    """By model a row of panels: MR and mean L2 of P-FGVM, an identity a line, the lowest MR first.

    persons: PERSONS_COLUMNS of pfgvm.report.table_data, numbers as numbers. descriptors: by model. Sorted by MR,
    then L2; the tenth of the identities at either end lies on a shade.
    """
    models = {model: worst_first(rows) for model, rows in persons[persons["method"] == PROPOSED].groupby("model")}
    figure, grid = identity_panels(models, 2)
    for axes, (model, rows) in zip(grid, models.items(), strict=True):
        dots(axes[0], rows["mr"])
        dots(axes[1], rows["l2"])
        axes[0].set_xlabel("MR")
        from_0_to_1(axes[0], "x")
        axes[1].set_xlabel("mean L2")
        name_identities(axes, model_name(model, descriptors), rows["person"].tolist())
    return figure


def identity_panels(models: Mapping[str, Sized], columns: int) -> tuple[Figure, np.ndarray]:
    """A row of panels for each of `models`, whose values have an entry for each identity."""
    tallest = max(min(_NAMED, len(rows)) for rows in models.values())
    return panels(len(models), columns, 0.6 + len(models) * (0.7 + _LINE * tallest), sharex="col")


def name_identities(axes: Sequence[Axes], title: str, persons: Sequence[str]) -> None:
    """Title a row of panels, name its lines by `persons`, and shade the tenth at either end."""
    axes[0].set_title(title)
    for ax in axes:
        ax.tick_params(labelbottom=True)
    _ends(axes, len(persons))
    _name(axes, persons)


def dots(ax: Axes, values: pd.Series) -> None:
    """Draw one dot of P-FGVM's colour an identity."""
    ax.plot(values, range(len(values)), "o", color=KNOWN[PROPOSED].colour)


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

"""Misclassification rate and L2 by identity, and the panels of all plots by identity."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pfgvm.methods import PROPOSED
from pfgvm.report.names import escaped, shortened
from pfgvm.report.numbers import per_cent
from pfgvm.report.persons_table import tenth, worst_first
from pfgvm.report.plots.drawing import INK, SHADE, SMALL, empty, from_0_to_1, styled
from pfgvm.report.plots.palette import KNOWN
from pfgvm.report.words import model_name

_LINE = 0.18  # Inches that a label needs.
_TALLEST = 18  # Height of a panel in labels, at most.
_LABELLED = 12  # Identities with a label, at most.
_NAME_LENGTH = 24


@styled
def persons_figure(persons: pd.DataFrame, descriptors: Mapping[str, str]) -> Figure:
    """One row a model: MR and mean L2 of P-FGVM by identity, sorted by MR, then L2.

    persons: PERSONS_COLUMNS of pfgvm.report.table_data, numbers as numbers. descriptors: by model. The tenth of the
    identities at either end is shaded. If all identities have the same MR, a sentence replaces its panel.
    """
    models = {model: worst_first(rows) for model, rows in persons[persons["method"] == PROPOSED].groupby("model")}
    equal = {model for model, rows in models.items() if rows["mr"].nunique() == 1}
    figure, grid = identity_panels([1 if model in equal else 2 for model in models], max(map(len, models.values())))
    for axes, (model, rows) in zip(grid, models.items(), strict=True):
        name = model_name(model, descriptors)
        title = f"{name}: MR and L2 by identity"
        if model in equal:
            title = f"{name}: L2 by identity. MR is {per_cent(rows['mr'].iloc[0])} % for each identity."
        else:
            dots(axes[0], rows["mr"])
            axes[0].set_xlabel("MR")
            from_0_to_1(axes[0], "x")
        if axes is not grid[0]:
            axes[-1].sharex(grid[0][-1])
        dots(axes[-1], rows["l2"])
        axes[-1].set_xlabel("mean L2 (pixels in [0, 1])")
        label_identities(axes, title, rows["person"].tolist())
    return figure


def identity_panels(columns: Sequence[int], count: int) -> tuple[Figure, list[list[Axes]]]:
    """A figure for `count` identities with rows of panels; columns: the number of panels of each row."""
    figure = empty(0.6 + len(columns) * (0.7 + _LINE * min(_TALLEST, count)))
    rows = figure.add_gridspec(len(columns), 1)
    return figure, [list(rows[i].subgridspec(1, n).subplots(squeeze=False)[0]) for i, n in enumerate(columns)]


def label_identities(axes: Sequence[Axes], title: str, persons: Sequence[str]) -> None:
    """Title a row of panels, label its identities, and shade the tenth at either end."""
    axes[0].set_title(title)
    axes[0].set_ylabel(f"{len(persons)} identities, sorted")
    _shade_ends(axes, len(persons))
    _label(axes, persons)


def dots(ax: Axes, values: pd.Series) -> None:
    """Draw one dot an identity in P-FGVM's colour."""
    ax.plot(values, range(len(values)), "o", color=KNOWN[PROPOSED].colour)


def _shade_ends(axes: Sequence[Axes], count: int) -> None:
    """Shade the tenth at either end of `count` identities, with a label at the right."""
    ends = {"worst\ntenth": (-0.5, tenth(count) - 0.5), "best\ntenth": (count - tenth(count) - 0.5, count - 0.5)}
    for name, (first, last) in ends.items():
        for ax in axes:
            ax.axhspan(first, last, facecolor=INK, alpha=SHADE, edgecolor="none")
        place = (1.02, (first + last) / 2)
        axes[-1].text(*place, name, transform=axes[-1].get_yaxis_transform(), va="center", size=SMALL)


def _label(axes: Sequence[Axes], persons: Sequence[str]) -> None:
    """Label the identities of the panels `axes`: all, or every n-th for at most _LABELLED labels."""
    printable = {name: "".join(c if c.isprintable() else escaped(c) for c in name) for name in persons}
    short = shortened(printable.values(), _NAME_LENGTH)
    labelled = range(0, len(persons), math.ceil(len(persons) / _LABELLED))
    for ax in axes:
        ax.set(ylim=(len(persons) - 0.5, -0.5), yticks=labelled, yticklabels=[])
        ax.grid(axis="y", visible=False)
    axes[0].set_yticklabels([short[printable[persons[number]]] for number in labelled])

"""Recognition of P-FGVM's images by identity."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.methods import PROPOSED
from pfgvm.report.evaluation.recognition_table import HIGHEST_FMR
from pfgvm.report.plots.drawing import INK, from_0_to_1, legend, styled
from pfgvm.report.plots.palette import KNOWN
from pfgvm.report.plots.persons_plot import dots, identity_panels, label_identities
from pfgvm.report.words import model_name


@styled
def recognised_persons_figure(recognised: pd.DataFrame, descriptors: Mapping[str, str]) -> Figure:
    """One row a model, one panel a recogniser: TMR of P-FGVM by identity.

    recognised: RECOGNISED_PERSONS_COLUMNS of pfgvm.evaluation.findings.per_identity, numbers as numbers. descriptors:
    the white-box recogniser by model. Sorted by the mean TMR over the recognisers, the highest first.
    """
    matched = recognised[recognised["method"] == PROPOSED]
    names = list(dict.fromkeys(matched["recogniser"]))
    models = {
        model: rows.groupby("person")["tmr_protected"].mean().sort_values(ascending=False, kind="stable").index
        for model, rows in matched.groupby("model")
    }
    figure, grid = identity_panels([len(names)] * len(models), max(map(len, models.values())))
    for axes, (model, order) in zip(grid, models.items(), strict=True):
        for ax, name in zip(axes, names, strict=True):
            rows = matched[(matched["model"] == model) & (matched["recogniser"] == name)]
            _matches(ax, rows.set_index("person").reindex(order))
            white_box = " (white-box)" if name == descriptors[model] else ""
            ax.set_xlabel(f"TMR, {recogniser_label(name)}{white_box}")
            from_0_to_1(ax, "x")
        label_identities(axes, f"{model_name(model, descriptors)}: TMR at {HIGHEST_FMR} by identity", list(order))
    clean = Line2D([], [], color=INK, marker="|", markersize=9, linestyle="", label="clean images")
    protected = Line2D([], [], color=KNOWN[PROPOSED].colour, marker="o", linestyle="", label=f"protected by {PROPOSED}")
    legend(figure, [protected, clean])
    return figure


def _matches(ax: Axes, rows: pd.DataFrame) -> None:
    places = range(len(rows))
    ax.hlines(places, rows["tmr_clean"], rows["tmr_protected"], color=KNOWN[PROPOSED].colour, alpha=0.4, linewidth=1)
    ax.plot(rows["tmr_clean"], places, "|", color=INK, markersize=9)
    dots(ax, rows["tmr_protected"])

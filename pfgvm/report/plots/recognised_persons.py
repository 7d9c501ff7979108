"""Recognition of P-FGVM's images, identity by identity."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.methods import PROPOSED
from pfgvm.report.plots.drawing import INK, from_0_to_1, legend, styled
from pfgvm.report.plots.palette import KNOWN
from pfgvm.report.plots.persons_plot import dots, identity_panels, name_identities
from pfgvm.report.words import model_name


@styled
def recognised_persons_figure(recognised: pd.DataFrame, descriptors: Mapping[str, str]) -> Figure:
    """By model a row of panels, one a recogniser: true-match rates of P-FGVM, an identity a line.

    recognised: RECOGNISED_PERSONS_COLUMNS of pfgvm.evaluation.findings.per_identity, numbers as numbers. descriptors:
    by model, the recogniser that P-FGVM used. Ordered by the mean rate over the recognisers, the highest first.
    """
    matched = recognised[recognised["method"] == PROPOSED]
    names = list(dict.fromkeys(matched["recogniser"]))
    models = {
        model: rows.groupby("person")["tmr_protected"].mean().sort_values(ascending=False, kind="stable").index
        for model, rows in matched.groupby("model")
    }
    figure, grid = identity_panels(models, len(names))
    for axes, (model, order) in zip(grid, models.items(), strict=True):
        for ax, name in zip(axes, names, strict=True):
            rows = matched[(matched["model"] == model) & (matched["recogniser"] == name)]
            _matches(ax, rows.set_index("person").reindex(order))
            seen = " (seen)" if name == descriptors[model] else ""
            ax.set_xlabel(f"TMR, {recogniser_label(name)}{seen}")
            from_0_to_1(ax, "x")
        name_identities(axes, model_name(model, descriptors), list(order))
    clean = Line2D([], [], color=INK, marker="|", markersize=9, linestyle="", label="clean images")
    own = Line2D([], [], color=KNOWN[PROPOSED].colour, marker="o", linestyle="", label=f"protected by {PROPOSED}")
    legend(figure, [own, clean])
    return figure


def _matches(ax: Axes, rows: pd.DataFrame) -> None:
    places = range(len(rows))
    ax.hlines(places, rows["tmr_clean"], rows["tmr_protected"], color=KNOWN[PROPOSED].colour, alpha=0.4, linewidth=1)
    ax.plot(rows["tmr_clean"], places, "|", color=INK, markersize=9)
    dots(ax, rows["tmr_protected"])

"""Accuracy and loss of each model on the training and the validation split by epoch."""

from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from pfgvm.report.plots.drawing import INK, from_0_to_1, legend, panels, styled
from pfgvm.report.plots.palette import SPLITS

_LINES = {"train": "--", "validation": "-"}
_LABELS = {"accuracy": "accuracy", "loss": "cross-entropy (nats)"}


@styled
def learning_curves(
    histories: Mapping[str, pd.DataFrame], epochs_used: Mapping[str, int], headings: Mapping[str, str]
) -> Figure:
    """One column a model: accuracy in [0, 1] and loss (log scale) over the epochs, and the epoch used.

    histories: columns epoch, train_loss, train_accuracy, validation_loss, validation_accuracy.
    """
    figure, grid = panels(2, len(histories), 5.2, sharex="col", sharey="row")
    for column, (model, history) in enumerate(histories.items()):
        for row, measure in enumerate(("accuracy", "loss")):
            ax = grid[row, column]
            for split, colour in SPLITS.items():
                style = {"color": colour, "linestyle": _LINES[split]}
                sns.lineplot(history, x="epoch", y=f"{split}_{measure}", ax=ax, legend=False, **style)
            ax.axvline(epochs_used[model], color=INK, linestyle=":", linewidth=1)
            ax.set(xlabel="epoch" if row else "", ylabel=_LABELS[measure])
        grid[0, column].set_title(f"{headings[model]}: accuracy and loss by epoch")
    from_0_to_1(grid[0, 0], "y")
    grid[1, 0].set_yscale("log")
    grid[1, 0].yaxis.set(
        major_locator=LogLocator(subs=(1, 3)),
        major_formatter=StrMethodFormatter("{x:g}"),
        minor_formatter=NullFormatter(),
    )
    figure.align_ylabels()
    legend(
        figure,
        [
            Line2D([], [], color=SPLITS["train"], linestyle="--", label="training"),
            Line2D([], [], color=SPLITS["validation"], label="validation"),
            Line2D([], [], color=INK, linestyle=":", linewidth=1, label="epoch used"),
        ],
    )
    return figure

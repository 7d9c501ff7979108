"""What recognisers still find against how much of a protection is seen, method by method."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.report.plots.drawing import INK, legend, styled
from pfgvm.report.plots.method_lines import explained, method_line, rate_panels
from pfgvm.report.plots.palette import styles

_MEASURES = {"mssim_face": "mean MSSIM of the face (Wang)", "flip_face": "mean FLIP of the face"}


@styled
def visibility_figure(visibility: pd.DataFrame) -> Figure:
    """By recogniser a row: true matches, in [0, 1], against MSSIM and FLIP of the face, one line a method.

    visibility: VISIBILITY_COLUMNS of pfgvm.evaluation.findings.visibility_rates, numbers as numbers. The strength of
    the settings has the larger marker, intervals of 95 % are thin; a method that used the recogniser is dashed.
    """
    how = styles(visibility["method"])
    drawn = visibility.rename(columns={"tmr": "y"}).assign(as_set=visibility["strength"] == 1).sort_values("strength")
    names = list(dict.fromkeys(visibility["recogniser"]))
    rate = f"true matches at {100 * visibility['fmr'].max():g} % false ones"
    figure, grid = rate_panels([recogniser_label(name) for name in names], _MEASURES, rate)
    for row, name in enumerate(names):
        for (_, method), line in drawn[drawn["recogniser"] == name].groupby(["model", "method"]):
            for column, measure in enumerate(_MEASURES):
                points, dash = line.assign(x=line[measure]), "--" if line["seen"].all() else "-"
                method_line(grid[row, column], points, how[method], dash)
        # Less is seen to the left of either.
        grid[row, 0].invert_xaxis()
    made = set(visibility[["model", "method"]].itertuples(index=False, name=None))
    named = [(method, model) for method in how for model in sorted({of for of, by in made if by == method})]
    methods = [explained(how[method], f"{method} (Model {model})" if model else method) for method, model in named]
    seen = Line2D([], [], color=INK, linestyle="--", label="had that recogniser before it")
    legend(figure, [*methods, seen] if visibility["seen"].any() else methods)
    return figure

"""Recognition and visibility: TMR over MSSIM, FLIP and displacement of the face, for each method."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.report.plots.drawing import INK, legend, styled
from pfgvm.report.plots.method_lines import entry, method_line, rate_panels
from pfgvm.report.plots.palette import styles

_MEASURES = {
    "mssim_face": "mean MSSIM (Wang)",
    "flip_face": "mean FLIP, far",
    "flip_close": "mean FLIP, close",
    "displacement": "mean displacement (px)",
}


@styled
def visibility_figure(visibility: pd.DataFrame) -> Figure:
    """One row a recogniser: TMR, in [0, 1], over each measure of visibility of the face, one line a method.

    visibility: VISIBILITY_COLUMNS of pfgvm.evaluation.findings.visibility_rates, numbers as numbers. The strength of
    the settings has the larger marker, 95 % intervals are thin, and methods with a white-box recogniser are dashed.
    Only methods that displace pixels have a line over the displacement; without one there is no such panel.
    """
    by_method = styles(visibility["method"])
    drawn = visibility.rename(columns={"tmr": "y"}).assign(as_set=visibility["strength"] == 1).sort_values("strength")
    names = list(dict.fromkeys(visibility["recogniser"]))
    rate = f"TMR at FMR {100 * visibility['fmr'].max():g} %"
    headings = [f"{recogniser_label(name)}: TMR over visibility" for name in names]
    # A displacement of 0 is none.
    drawn["displacement"] = drawn["displacement"].where(drawn["displacement"] > 0)
    measures = {name: label for name, label in _MEASURES.items() if drawn[name].notna().any()}
    figure, grid = rate_panels(headings, measures, rate)
    for row, name in enumerate(names):
        for (_, method), line in drawn[drawn["recogniser"] == name].groupby(["model", "method"]):
            for column, measure in enumerate(measures):
                points, dash = line.assign(x=line[measure]).dropna(subset="x"), "--" if line["seen"].all() else "-"
                if not points.empty:
                    method_line(grid[row, column], points, by_method[method], dash)
        # Visibility decreases to the left in all panels.
        grid[row, 0].invert_xaxis()
    sets = sorted(set(visibility[["model", "method"]].itertuples(index=False, name=None)))
    entries = [
        entry(style, f"{method} (Model {model})" if model else method)
        for method, style in by_method.items()
        for model in (model for model, name in sets if name == method)
    ]
    white_box = Line2D([], [], color=INK, linestyle="--", label="white-box recogniser")
    legend(figure, [*entries, white_box] if visibility["seen"].any() else entries)
    return figure

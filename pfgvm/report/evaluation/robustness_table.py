"""Robustness to post-processing."""

import pandas as pd

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.report.evaluation.recognition_table import HIGHEST_FMR
from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.numbers import per_cent


def robustness_table(robustness: pd.DataFrame) -> FormattedTable:
    """One row a set, one column a transform; robustness: from pfgvm.evaluation.findings.robustness_rates."""
    transforms = list(dict.fromkeys(robustness["transform"]))
    recognisers = [column.removesuffix("_tmr") for column in robustness if column.endswith("_tmr")]
    lines = []
    for (model, method), rows in robustness.groupby(["model", "method"], sort=False):
        by_transform = rows.set_index("transform")
        rates = [per_cent(by_transform.loc[transform, "mr"]) for transform in transforms]
        lines.append([model, method, *rates, *[_highest(by_transform[f"{name}_tmr"]) for name in recognisers]])
    return FormattedTable(
        "table:robustness",
        "Robustness to post-processing",
        "An MR near that of Clean means that the transform removes the effect of the perturbation. "
        "MR of the target model in %.",
        columns=[
            ("", "Model"),
            ("", "Method"),
            *[("MR after", transform) for transform in transforms],
            *[("Highest TMR", recogniser_label(name)) for name in recognisers],
        ],
        rows=lines,
        left=2,
        notes=(f"Highest TMR: over the transforms, at {HIGHEST_FMR}, in %.",) if recognisers else (),
    )


def _highest(rates: pd.Series) -> str:
    rates = rates.dropna()
    return f"{per_cent(rates.max())} ({rates.idxmax()})" if len(rates) else MISSING

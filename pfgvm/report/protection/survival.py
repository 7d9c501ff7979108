"""What is left after what befalls pictures."""

import pandas as pd

from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.protection.numbers import rate
from pfgvm.report.words import recogniser_label


def survival_table(survival: pd.DataFrame) -> FormattedTable:
    """MR after each transform, and what recognisers find at the worst of them; survival: from findings.survival."""
    transforms = list(dict.fromkeys(survival["transform"]))
    names = [column.removesuffix("_tmr") for column in survival if column.endswith("_tmr")]
    lines = []
    for (model, method), rows in survival.groupby(["model", "method"], sort=False):
        by_transform = rows.set_index("transform")
        worst = [_worst_match(by_transform, name) for name in names]
        lines.append([model, method, *[rate(by_transform.loc[name, "mr"]) for name in transforms], *worst])
    return FormattedTable(
        "table:survival",
        "Survival",
        "What is left after what befalls pictures on their way: MR of the model that they were made on, in %.",
        columns=[
            ("", "Model"),
            ("", "Method"),
            *[("MR after", name) for name in transforms],
            *[("Most true matches", recogniser_label(name)) for name in names],
        ],
        rows=lines,
        left=2,
        notes=("Most true matches: a recogniser's at 1 % false ones, after the transform under which it finds most.",)
        if names
        else (),
    )


def _worst_match(by_transform: pd.DataFrame, name: str) -> str:
    rates = by_transform[f"{name}_tmr"].dropna()
    return f"{rate(rates.max())} ({rates.idxmax()})" if len(rates) else MISSING

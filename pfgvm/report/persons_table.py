"""Results by identity: the tenth with the lowest and the tenth with the highest misclassification rate."""

import pandas as pd

from pfgvm.report.formatted_table import FormattedTable
from pfgvm.report.numbers import per_cent


def persons_table(persons: pd.DataFrame) -> FormattedTable:
    """The tenth of the identities at either end, by MR, then L2, of each method; persons: PERSONS_COLUMNS."""
    lines = []
    for (model, method), rows in persons.groupby(["model", "method"], sort=False):
        ordered, count = worst_first(rows), tenth(len(rows))
        cells = [_listed(part) for part in (ordered.head(count), ordered.tail(count))]
        lines.append([model, method, str(len(ordered)), *cells])
    return FormattedTable(
        "table:persons",
        "By identity",
        "A low MR at one end means that the attack fails for single identities. MR and mean L2 over each identity's "
        "images, for the tenth of the identities at either end.",
        columns=[("", name) for name in ("Model", "Method", "Identities", "Lowest MR", "Highest MR")],
        rows=lines,
        left=5,
    )


def worst_first(persons: pd.DataFrame) -> pd.DataFrame:
    """The rows of PERSONS_COLUMNS sorted by MR (ascending), then by L2 (descending)."""
    return persons.sort_values(["mr", "l2", "person"], ascending=[True, False, True])


def tenth(count: int) -> int:
    """The number of identities in a tenth of `count`, at least 1."""
    return max(1, round(count / 10))


def _listed(rows: pd.DataFrame) -> str:
    return "; ".join(f"{row['person']}: {per_cent(row['mr'])} %, {row['l2']:.2f}" for row in rows.to_dict("records"))

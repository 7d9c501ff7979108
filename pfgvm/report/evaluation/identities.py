"""Recognition by identity: those with the highest and the lowest TMR."""

import pandas as pd

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.report.evaluation.recognition_table import HIGHEST_FMR
from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.numbers import per_cent
from pfgvm.report.persons_table import tenth


def recognised_persons_table(recognised: pd.DataFrame) -> FormattedTable:
    """The tenth of the identities at either end, of each set and recogniser; RECOGNISED_PERSONS_COLUMNS."""
    lines = []
    for (model, method, name), rows in recognised.groupby(["model", "method", "recogniser"], sort=False):
        ordered = rows.dropna(subset="tmr_protected").sort_values(["tmr_protected", "person"], ascending=[False, True])
        count = tenth(len(ordered))
        cells = [_listed(part) for part in (ordered.head(count), ordered.tail(count))]
        lines.append([model, method, recogniser_label(name), str(len(ordered)), *cells])
    return FormattedTable(
        "table:recognised-persons",
        "Recognition by identity",
        "A high TMR at one end means that the method fails for single identities. TMR on protected (clean) images in % "
        f"at {HIGHEST_FMR}, for the tenth of the identities at either end.",
        columns=[("", head) for head in ("Model", "Method", "Recogniser", "Identities", "Highest TMR", "Lowest TMR")],
        rows=lines,
        left=6,
    )


def _listed(rows: pd.DataFrame) -> str:
    cells = (
        f"{row['person']}: {per_cent(row['tmr_protected'])} ({per_cent(row['tmr_clean'])})"
        for row in rows.to_dict("records")
    )
    return "; ".join(cells) or MISSING

"""The whole evaluation as one Markdown document."""

from collections.abc import Mapping

import pandas as pd

from pfgvm.report.evaluation.evaluation_tables import evaluation_tables
from pfgvm.report.evaluation.summary import claims, summary_table
from pfgvm.report.render import markdown


def evaluation_document(tables: Mapping[str, pd.DataFrame]) -> str:
    """Claims, summary and all tables of the evaluation; tables: as for `claims` and `evaluation_tables`."""
    formatted = [summary_table(tables["recognition"]), *evaluation_tables(tables)]
    return "\n".join([*(f"{claim}\n" for claim in claims(tables)), *map(markdown, formatted)])

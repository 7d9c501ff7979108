"""The tables of the evaluation, in the order of the report."""

from collections.abc import Callable, Mapping

import pandas as pd

from pfgvm.report.evaluation.adaptive_table import adaptive_table
from pfgvm.report.evaluation.cost import equal_mr_table, minimum_norm_table, quality_table, visibility_table
from pfgvm.report.evaluation.identities import recognised_persons_table
from pfgvm.report.evaluation.recognition_table import recognition_table, transfer_table
from pfgvm.report.evaluation.robustness_table import robustness_table
from pfgvm.report.formatted_table import FormattedTable

_TABLES: Mapping[str, Callable[[pd.DataFrame], FormattedTable]] = {
    "recognition": recognition_table,
    "transfer": transfer_table,
    "robustness": robustness_table,
    "adaptive": adaptive_table,
    "minimum_norm": minimum_norm_table,
    "equal_mr": equal_mr_table,
    "quality": quality_table,
    "visibility": visibility_table,
    "recognised_persons": recognised_persons_table,
}


def evaluation_tables(tables: Mapping[str, pd.DataFrame]) -> list[FormattedTable]:
    """A formatted table for each of `tables` that has rows; tables: by name, from pfgvm.evaluation.findings.

    The table of visibility is part of `quality`; older files lack it.
    """
    quality = tables["quality"]
    faces = quality.dropna(subset="flip_close") if "flip_close" in quality else quality[:0]
    data = {**tables, "visibility": faces}
    return [make(data[name]) for name, make in _TABLES.items() if not data[name].empty]

"""What those reach who know of the protection."""

from collections.abc import Mapping

import pandas as pd

from pfgvm.report.formatted_table import MISSING, FormattedTable, by_group
from pfgvm.report.protection.numbers import rate
from pfgvm.report.words import recogniser_label


def adaptive_table(adaptive: pd.DataFrame) -> FormattedTable:
    """Attackers who know, one row a set, one column an attacker; adaptive: ADAPTIVE_COLUMNS."""
    told = adaptive.assign(column=[_attacker(row) for row in adaptive.to_dict("records")])
    columns = by_group(dict.fromkeys(told["column"]))
    lines = []
    for (model, method), rows in told.groupby(["model", "method"], sort=False):
        cells = {row["column"]: _reached(row) for row in rows.to_dict("records")}
        lines.append([model, method, *(cells.get(column, MISSING) for column in columns)])
    return FormattedTable(
        "table:adaptive",
        "Attackers who know",
        "How many protected pictures those name rightly who know of the protection, in %, with 95 % intervals; in the "
        "rows Clean, unprotected ones.",
        columns=[("", "Model"), ("", "Method"), *columns],
        rows=lines,
        left=2,
        notes=(
            "Retrained: a classifier on the recogniser's embeddings, trained with true names on pictures of which so "
            "many are protected. Growing gallery: one that adds what it recognises. Purified: the model that the "
            "picture was made on, after that filter. Detector: tells protected from clean pictures of persons whom it "
            "has not seen; 0.5 is guessing.",
            *(f"{MISSING}: {note}." for note in sorted(set(adaptive["note"].dropna()) - {""})),
        ),
    )


def _attacker(row: Mapping) -> tuple[str, str]:
    """The column of an attacker: its group and its name."""
    if row["attacker"] == "detector":
        return "Detector", "AUC"
    if pd.isna(row["recogniser"]) or not row["recogniser"]:
        return "Purified", row["attacker"]
    share = "" if pd.isna(row["share"]) else f" on {100 * row['share']:.0f} %"
    return f"{row['attacker'].capitalize()}{share}", recogniser_label(row["recogniser"])


def _reached(row: Mapping) -> str:
    of_detector = row["attacker"] == "detector"
    value, low, high = ("auc", "auc_low", "auc_high") if of_detector else ("accuracy_protected", "low", "high")
    if pd.isna(row[value]):
        return MISSING
    shown = "{:.3f}".format if of_detector else rate
    # A single person gives no interval.
    return shown(row[value]) + ("" if pd.isna(row[low]) else f" ({shown(row[low])}–{shown(row[high])})")

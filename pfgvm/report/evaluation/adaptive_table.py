"""Adaptive attackers: their accuracy on protected images."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.report.evaluation.recognition_table import reasons
from pfgvm.report.formatted_table import MISSING, FormattedTable, by_group
from pfgvm.report.numbers import number, with_interval


def adaptive_table(adaptive: pd.DataFrame) -> FormattedTable:
    """One row a set, one column an attacker; adaptive: ADAPTIVE_COLUMNS."""
    columns = by_group(dict.fromkeys(map(_attacker, adaptive.to_dict("records"))))
    lines = []
    for (model, method), rows in adaptive.groupby(["model", "method"], sort=False):
        cells = {_attacker(row): _result(row) for row in rows.to_dict("records")}
        lines.append([model, method, *(cells.get(column, MISSING) for column in columns)])
    return FormattedTable(
        "table:adaptive",
        "Adaptive attackers",
        "An accuracy near that of Clean means that the attacker defeats the method. Accuracy on protected images in % "
        "(Clean: on clean images); 95 % CI in brackets, by bootstrap over identities.",
        columns=[("", "Model"), ("", "Method"), *columns],
        rows=lines,
        left=2,
        notes=(
            "Retrained: a classifier on the recogniser's embeddings; the given share of its labelled training images "
            "is protected. Growing gallery: each recognised image is added to the gallery. Purified: the target model "
            "classifies the filtered image. Unwarped: the mean displacement of the method's other images is removed, "
            "and the identity of rank 1 is taken. Detector: protected or clean, on identities outside its training "
            "data; an AUC of 0.5 is chance.",
            *(f"{MISSING}: {reason}." for reason in reasons(adaptive)),
        ),
    )


def _attacker(row: Mapping[str, Any]) -> tuple[str, str]:
    """The column of an attacker: its group and its name."""
    if row["attacker"] == "detector":
        return "Detector", "AUC"
    if pd.isna(row["recogniser"]) or not row["recogniser"]:
        return "Purified", row["attacker"]
    share = "" if pd.isna(row["share"]) else f" ({100 * row['share']:.0f} %)"
    return f"{row['attacker'].capitalize()}{share}", recogniser_label(row["recogniser"])


def _result(row: Mapping[str, Any]) -> str:
    if row["attacker"] == "detector":
        return with_interval(row["auc"], row["auc_low"], row["auc_high"], partial(number, digits=3))
    return with_interval(row["accuracy_protected"], row["low"], row["high"])

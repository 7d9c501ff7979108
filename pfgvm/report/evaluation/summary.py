"""Does it protect? The answer as a table and in one sentence a method, from black-box recognisers."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.methods import FEATURES, PROPOSED, SHAPE, label_of
from pfgvm.report.evaluation.recognition_table import (
    DROP_NOTE,
    HIGHEST_FMR,
    RECOGNITION_HEADS,
    at_highest_fmr,
    reasons,
    recognition_cells,
)
from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.numbers import per_cent, with_unit

_CLAIMED = (PROPOSED, FEATURES, *SHAPE)
_SUMMARISED = (*_CLAIMED, label_of("random_equal_l2"), label_of("random_shape"))
# From which lost share of the clean rate the words hold.
_WORDS = ((0.9, "protects"), (0.5, "protects in part"), (0.1, "protects little"), (-math.inf, "does not protect"))
_MEASURES = {"tmr": f"TMR at {HIGHEST_FMR}", "rank1": "rank-1 identification rate"}


def summary_table(recognition: pd.DataFrame) -> FormattedTable:
    """The methods of `claims` and the random controls at the highest FMR; recognition: RECOGNITION_COLUMNS."""
    rows = _black_box(recognition, _SUMMARISED)
    # A method that attacks no classifier has the same images, and one row, for both models.
    values = [name for name in rows.columns if name != "model"]
    joined = rows.groupby(values, sort=False, dropna=False)["model"].agg(", ".join).reset_index()
    ordered = sorted(joined.to_dict("records"), key=lambda row: _SUMMARISED.index(row["method"]))
    return FormattedTable(
        "table:summary",
        "Summary",
        "A method protects if TMR and rank-1 rate are far below those of clean images and of noise. "
        f"Black-box recognisers at {HIGHEST_FMR}; rates in %.",
        columns=[("", head) for head in RECOGNITION_HEADS],
        rows=[recognition_cells(row) for row in ordered],
        left=3,
        notes=(DROP_NOTE, *(f"{MISSING}: {reason}." for reason in reasons(rows))),
    )


def claims(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """One sentence for each P-FGVM but that from noise, on the black-box recogniser with the highest TMR.

    tables: by name; `recognition` has RECOGNITION_COLUMNS. The words follow from the lost share of the clean TMR, or of
    the clean rank-1 rate where less of it is lost. Without a threshold, the sentence states why and the fix.
    """
    rows = _black_box(tables["recognition"], _CLAIMED)
    measured = rows.dropna(subset="tmr_protected").sort_values(["tmr_protected", "rank1_protected"])
    if measured.empty:
        return [
            f"Protection is unknown: no threshold at {HIGHEST_FMR} ({reason}); add identities or raise "
            "evaluation.calibration."
            for reason in reasons(rows)
        ]
    # The last row of a method, that of the highest TMR, remains.
    worst = {row["method"]: row for row in measured.to_dict("records")}
    return [_claim(worst[method]) for method in _CLAIMED if method in worst]


def _black_box(recognition: pd.DataFrame, methods: tuple[str, ...]) -> pd.DataFrame:
    rows = at_highest_fmr(recognition)
    return rows[rows["method"].isin(methods) & ~rows["seen"].astype(bool)]


def _claim(row: Mapping[str, Any]) -> str:
    levels = {name: _level(row[f"{name}_clean"], row[f"{name}_protected"]) for name in _MEASURES}
    # At equal levels the first, TMR.
    decisive = max(levels, key=lambda name: levels[name])
    protected, clean = (with_unit(per_cent(row[f"{decisive}_{images}"])) for images in ("protected", "clean"))
    return (
        f"{row['method']} {_WORDS[levels[decisive]][1]}: {recogniser_label(row['recogniser'])}'s "
        f"{_MEASURES[decisive]} is {protected} on protected images and {clean} on clean ones."
    )


def _level(clean: float, protected: float) -> int:
    """The place in _WORDS; a clean rate of 0 has nothing to lose."""
    lost = 1 - protected / clean if clean > 0 else 0.0
    return next(place for place, (least, _) in enumerate(_WORDS) if lost >= least)

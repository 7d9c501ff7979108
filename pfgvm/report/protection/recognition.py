"""Who is still recognised, and by whom."""

import pandas as pd

from pfgvm.report.formatted_table import FormattedTable
from pfgvm.report.protection.numbers import between, points, rate
from pfgvm.report.words import recogniser_label


def recognition_table(recognition: pd.DataFrame) -> FormattedTable:
    """Recognition before and after, at the highest false-match rate; recognition: RECOGNITION_COLUMNS."""
    rows = recognition[recognition["fmr"] == recognition["fmr"].max()]
    lines = [
        [
            row["model"],
            row["method"],
            recogniser_label(row["recogniser"]) + (" (seen)" if row["seen"] else ""),
            rate(row["tmr_clean"]),
            rate(row["tmr_protected"]),
            between(row["low"], row["high"]),
            points(row["drop_over_random"]),
            between(row["drop_low"], row["drop_high"]),
            rate(row["tmr_both"]),
            rate(row["rank1_clean"]),
            rate(row["rank1_protected"]),
            rate(row["rank5_protected"]),
            rate(row["found"]),
        ]
        for row in rows.to_dict("records")
    ]
    notes = sorted({row["note"] for row in rows.to_dict("records") if row["note"]})
    return FormattedTable(
        "table:recognition",
        "Recognition",
        f"Do face recognisers still find the person? True matches at {100 * rows['fmr'].max():g} % false ones.",
        columns=[
            ("", "Model"),
            ("", "Method"),
            ("", "Recogniser"),
            ("True matches, %", "clean"),
            ("True matches, %", "protected"),
            ("True matches, %", "95 %"),
            ("Drop over noise, points", "mean"),
            ("Drop over noise, points", "95 %"),
            ("Both protected", "%"),
            ("Rank 1, %", "clean"),
            ("Rank 1, %", "protected"),
            ("Rank 5", "%"),
            ("Face found", "%"),
        ],
        rows=lines,
        left=3,
        notes=(
            "Drop over noise: true matches under random noise of equal L2 less those on protected pictures, paired by "
            "picture; intervals by bootstrap over persons.",
            "Unseen means that the attack did not use the recogniser. Whether photographs of these persons were among "
            "those it was trained on is not known.",
            *(f"No threshold: {note}." for note in notes),
        ),
    )


def transfer_table(transfer: pd.DataFrame) -> FormattedTable:
    """How each target model errs on the images made on the other; transfer: TRANSFER_COLUMNS."""
    lines = [
        [
            row["model"], row["method"], f"Model {row['judge']}", rate(row["mr"]), between(row["low"], row["high"]),
            rate(row["target_rate"]), rate(row["clean_error"]),
        ]
        for row in transfer.to_dict("records")
    ]  # fmt: skip
    return FormattedTable(
        "table:transfer",
        "Transfer",
        "Does an attack on one model mislead the other?",
        columns=[("", name) for name in ("Made on", "Method", "Judge", "MR, %", "95 %", "Target, %", "Clean error, %")],
        rows=lines,
        left=3,
    )

"""Recognition of protected images: by face recognisers, and by the other target model."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pfgvm.evaluation.findings.enrolment import FALSE_MATCH_RATES
from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.numbers import between, per_cent

HIGHEST_FMR = f"FMR {100 * max(FALSE_MATCH_RATES):g} %"
RECOGNITION_HEADS = (
    "Model", "Method", "Recogniser", "TMR clean", "TMR protected", "95 % CI", "Drop vs. noise (points)", "95 % CI",
    "Rank-1 clean", "Rank-1 protected",
)  # fmt: skip
DROP_NOTE = (
    "Drop vs. noise: TMR under random noise of equal L2 minus TMR on protected images, paired by image. "
    "95 % CI: bootstrap over identities."
)


def recognition_table(recognition: pd.DataFrame) -> FormattedTable:
    """Every method and recogniser, at the highest FMR; recognition: RECOGNITION_COLUMNS."""
    rows = at_highest_fmr(recognition)
    return FormattedTable(
        "table:recognition",
        "Recognition",
        "A low TMR on protected images and a large drop vs. noise mean protection. "
        f"Each image is compared with the clean images of its identity at {HIGHEST_FMR}; rates in %.",
        columns=[("", head) for head in (*RECOGNITION_HEADS, "Rank-5 protected", "TMR both protected", "Face found")],
        rows=[
            [*recognition_cells(row), *[per_cent(row[name]) for name in ("rank5_protected", "tmr_both", "found")]]
            for row in rows.to_dict("records")
        ],
        left=3,
        notes=(
            DROP_NOTE,
            "White-box: the method uses this recogniser. Whether a recogniser was trained on these identities is "
            "unknown. TMR both protected: each image is compared with protected images.",
            *(f"{MISSING}: {reason}." for reason in reasons(rows)),
        ),
    )


def at_highest_fmr(recognition: pd.DataFrame) -> pd.DataFrame:
    """The rows of RECOGNITION_COLUMNS at the highest false-match rate."""
    return recognition[recognition["fmr"] == max(FALSE_MATCH_RATES)]


def recognition_cells(row: Mapping[str, Any]) -> list[str]:
    """The cells under RECOGNITION_HEADS; row: RECOGNITION_COLUMNS."""
    return [
        row["model"],
        row["method"],
        recogniser_label(row["recogniser"]) + (" (white-box)" if row["seen"] else ""),
        per_cent(row["tmr_clean"]),
        per_cent(row["tmr_protected"]),
        between(row["low"], row["high"]),
        per_cent(row["drop_over_random"]),
        between(row["drop_low"], row["drop_high"]),
        per_cent(row["rank1_clean"]),
        per_cent(row["rank1_protected"]),
    ]


def reasons(rows: pd.DataFrame) -> list[str]:
    """Why numbers are missing: each `note` of the rows once."""
    return sorted(set(rows["note"].dropna()) - {""})


def transfer_table(transfer: pd.DataFrame) -> FormattedTable:
    """Each set on the other target model; transfer: TRANSFER_COLUMNS."""
    return FormattedTable(
        "table:transfer",
        "Transfer",
        "An MR near the clean error means that the perturbation does not transfer. Images made on one target model "
        "are classified by the other; rates in %, 95 % CI by Wilson's interval.",
        columns=[("", head) for head in ("Model", "Method", "Judge", "MR", "95 % CI", "Target rate", "Clean error")],
        rows=[
            [
                row["model"], row["method"], f"Model {row['judge']}", per_cent(row["mr"]),
                between(row["low"], row["high"]), per_cent(row["target_rate"]), per_cent(row["clean_error"]),
            ]
            for row in transfer.to_dict("records")
        ],
        left=3,
    )  # fmt: skip

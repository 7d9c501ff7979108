"""What protection costs: L2, and how good the pictures still look."""

from collections.abc import Mapping

import pandas as pd

from pfgvm.report.formatted_table import MISSING, FormattedTable, by_group
from pfgvm.report.protection.numbers import number, rate


def references_table(references: pd.DataFrame) -> FormattedTable:
    """How far from the smallest known L2; references: REFERENCES_COLUMNS."""
    lines = [
        [
            row["model"], row["method"], str(row["images"]), rate(row["reached"]), f"{row['l2']:.3f}",
            f"{row['l2_best']:.3f}", f"{row['l2'] / row['l2_best']:.2f}" if row["l2_best"] else MISSING,
            f"{row['excess']:.3f}", MISSING if pd.isna(row["low"]) else f"{row['low']:.3f}–{row['high']:.3f}",
        ]
        for row in references.to_dict("records")
    ]  # fmt: skip
    names = ("Model", "Method", "Images", "Reached, %", "L2", "Best known", "Ratio", "Excess", "95 %")
    return FormattedTable(
        "table:references",
        "References",
        "How far each method's L2 is from the smallest that any of them has found for the same image and target.",
        columns=[("", name) for name in names],
        rows=lines,
        left=2,
        notes=(
            "Over the images that the method has the model take for their target; interval by bootstrap over persons.",
        ),
    )


def equal_mr_table(equal: pd.DataFrame) -> FormattedTable:
    """Methods at the MR of others; equal: EQUAL_MR_COLUMNS."""
    lines = [
        [
            row["model"], row["method"], f"{row['other']}, {rate(row['mr'])}", number(row["l2"], 2),
            f"{row['other_l2']:.2f}", number(row["mssim_legacy"], 3), f"{row['other_mssim_legacy']:.3f}",
        ]
        for row in equal.to_dict("records")
    ]  # fmt: skip
    return FormattedTable(
        "table:equal-mr",
        "At equal MR",
        "What one method costs where it reaches another's misclassification rate, read off its curve over λ or ε.",
        columns=[
            ("", "Model"), ("", "Method"), ("", "At the MR of"), ("L2", "its own"), ("L2", "the other's"),
            ("SI", "its own"), ("SI", "the other's"),
        ],
        rows=lines,
        left=3,
        notes=(f"{MISSING}: the method does not reach that rate at any value tried.",),
    )  # fmt: skip


def quality_table(quality: pd.DataFrame) -> FormattedTable:
    """How good pictures still look; quality: QUALITY_COLUMNS."""
    from pfgvm.evaluation.quality.metrics import LPIPS, QUALITY

    measured = [metric for metric in (*QUALITY, LPIPS) if quality[metric.name].notna().any()]
    metrics = {("MSSIM", "picture"): ("mssim", 3)} | {metric.label: (metric.name, metric.digits) for metric in measured}
    columns = by_group(metrics)
    lines = [
        [row["model"], row["method"], *[_with_ends(row, *metrics[column]) for column in columns]]
        for row in quality.to_dict("records")
    ]
    return FormattedTable(
        "table:quality",
        "Quality",
        "How good the published pictures still look beside the clean ones: means, with 95 % intervals over persons.",
        columns=[("", "Model"), ("", "Method"), *columns],
        rows=lines,
        left=2,
        notes=(
            "MSSIM after Wang. ꟻLIP: 0 is no difference seen. SSIMULACRA2: 100 for equal pictures; those smaller than "
            "its six scales need are continued by their mirror images. Face: brows to chin, cheek to cheek.",
        ),
    )


def _with_ends(row: Mapping, name: str, digits: int) -> str:
    if pd.isna(row[name]):
        return MISSING
    mean, low, high = (f"{row[name + end]:z.{digits}f}".replace("-", "−") for end in ("", "_low", "_high"))
    return f"{mean} ({low} to {high})"

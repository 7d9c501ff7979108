"""The cost of protection: L2 and image quality."""

from collections.abc import Mapping
from functools import partial

import pandas as pd

from pfgvm.report.formatted_table import MISSING, FormattedTable, by_group
from pfgvm.report.numbers import between, number, per_cent, with_interval

# The metrics of VISIBILITY that the page shows; the CSV file has all.
_ON_PAGE = ("flip_close", "flip_close_p95", "flip_close_displaced", "displacement", "displacement_max")


def minimum_norm_table(minimum_norm: pd.DataFrame) -> FormattedTable:
    """L2 compared with the best of all methods; minimum_norm: MINIMUM_NORM_COLUMNS."""
    shown = partial(number, digits=3)
    lines = [
        [
            row["model"], row["method"], str(row["images"]), per_cent(row["reached"]), shown(row["l2"]),
            shown(row["l2_best"]), number(row["l2"] / row["l2_best"], 2) if row["l2_best"] else MISSING,
            shown(row["excess"]), between(row["low"], row["high"], shown),
        ]
        for row in minimum_norm.to_dict("records")
    ]  # fmt: skip
    heads = ("Model", "Method", "Images", "Target rate", "L2", "Best L2", "Ratio", "Excess", "95 % CI")
    return FormattedTable(
        "table:minimum-norm",
        "Minimum-norm attacks",
        "A ratio of 1 is the smallest L2 of all methods for the same images and targets. Means over the images that "
        "are classified as their target; target rate in %.",
        columns=[("", head) for head in heads],
        rows=lines,
        left=2,
        notes=("Excess: mean of L2 minus best L2. 95 % CI: bootstrap over identities.",),
    )


def equal_mr_table(equal_mr: pd.DataFrame) -> FormattedTable:
    """Two methods at the MR of one of them; equal_mr: EQUAL_MR_COLUMNS."""
    lines = [
        [
            row["model"], row["method"], row["other"], per_cent(row["mr"]), number(row["l2"], 2),
            number(row["other_l2"], 2), number(row["mssim_legacy"], 3), number(row["other_mssim_legacy"], 3),
        ]
        for row in equal_mr.to_dict("records")
    ]  # fmt: skip
    return FormattedTable(
        "table:equal-mr",
        "Cost at equal MR",
        "The smaller L2 and the larger SI are better. The method is read off its trade-off curve over λ or ε at the "
        "MR (%) that the other method has at its settings.",
        columns=[
            ("", "Model"), ("", "Method"), ("", "Other method"), ("", "MR"), ("L2", "method"), ("L2", "other"),
            ("SI", "method"), ("SI", "other"),
        ],
        rows=lines,
        left=3,
        notes=(f"{MISSING}: no value on the curve reaches this MR.",),
    )  # fmt: skip


def quality_table(quality: pd.DataFrame) -> FormattedTable:
    """Image-quality metrics of the published images; quality: QUALITY_COLUMNS."""
    from pfgvm.evaluation.quality.quality_metrics import LPIPS, QUALITY

    measured = [metric for metric in (*QUALITY, LPIPS) if quality[metric.name].notna().any()]
    metrics = {("MSSIM", "image"): ("mssim", 3)} | {metric.label: (metric.name, metric.digits) for metric in measured}
    columns, lines = _means(quality, metrics)
    return FormattedTable(
        "table:quality",
        "Image quality",
        "A smaller FLIP and larger values of the other metrics are better. Means over the protected images, compared "
        "with the clean ones; 95 % CI in brackets, by bootstrap over identities.",
        columns=columns,
        rows=lines,
        left=2,
        notes=(
            "MSSIM: Wang's protocol. PSNR: in dB, without unchanged images. SSIMULACRA2: 100 for equal images; small "
            "images are extended by reflection. Face: brows to chin, cheek to cheek.",
        ),
    )


def visibility_table(quality: pd.DataFrame) -> FormattedTable:
    """Visibility of the perturbation on the face; quality: QUALITY_COLUMNS."""
    from pfgvm.evaluation.quality.quality_metrics import VISIBILITY

    of_face = {metric.name: metric for metric in VISIBILITY}
    metrics = {("FLIP, far", "mean"): ("flip_face", 3)}
    metrics |= {of_face[name].label: (name, of_face[name].digits) for name in _ON_PAGE}
    columns, lines = _means(quality, metrics)
    return FormattedTable(
        "table:visibility",
        "Visibility on the face",
        "Smaller values are better. Means over the protected images, compared with the clean ones; 95 % CI in "
        "brackets, by bootstrap over identities.",
        columns=columns,
        rows=lines,
        left=2,
        notes=(
            "Far: 67 pixels per degree, as across a room. Close: a face 10 degrees wide, as on a screen. 95th "
            "percentile: of the pixels of the face; the mean hides small areas. Displaced original: FLIP without the "
            "displacement of pixels. Displacement: in pixels of an image of 178 x 218 pixels.",
        ),
    )


def _means(
    quality: pd.DataFrame, metrics: Mapping[tuple[str, str], tuple[str, int]]
) -> tuple[list[tuple[str, str]], list[list[str]]]:
    """Columns and rows of a table of `metrics`: the metric's name and digits by heading (group, name)."""
    columns = by_group(metrics)
    lines = []
    for row in quality.to_dict("records"):
        cells = [
            with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], partial(number, digits=digits))
            for name, digits in (metrics[column] for column in columns)
        ]
        lines.append([row["model"], row["method"], *cells])
    return [("", "Model"), ("", "Method"), *columns], lines

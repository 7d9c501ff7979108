"""Table 3 at a glance: our values, the paper's, and their difference in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pfgvm.methods import PAPER_METHODS
from pfgvm.report.formatted_table import MISSING
from pfgvm.report.published import NEAR, l2_growth, published_cells
from pfgvm.report.table3 import MEASURES
from pfgvm.report.words import Row
from pfgvm.settings import MODEL_NAMES

_UNITS = {"l2": "", "mssim_legacy": "", "mr": " points"}


@dataclass(frozen=True)
class Cell:
    """One value: measured, published, and their difference in words; `kind` is near, more, less or missing."""

    ours: str
    paper: str
    words: str
    kind: str


def beside_paper(
    results: Sequence[Row], paper: Mapping, image_size: tuple[int, int]
) -> list[tuple[str, dict[str, list[Cell]]]]:
    """By method of the paper, by model: the cells of L2, SI and MR of the float images.

    results: the rows of pfgvm.report.table_data.results. image_size: height, width; L2 is multiplied by l2_growth.
    A value within NEAR of the paper's is near.
    """
    rows = {(row["model"], row["method"]): row for row in results if row["pixels"] == "float"}
    growth = l2_growth(paper, image_size)
    return [
        (
            method,
            {
                model: [
                    _cell(measure, rows.get((model, method)), published_cells(paper, model, method), growth)
                    for measure in MEASURES
                ]
                for model in MODEL_NAMES
            },
        )
        for method in PAPER_METHODS
    ]


def _cell(measure: str, row: Row | None, published: Mapping, growth: float) -> Cell:
    digits, factor, unit = MEASURES[measure]
    published_value = published[measure]
    paper = f"{factor * published_value:.{digits}f}{unit}"
    if row is None:
        return Cell(MISSING, paper, "not run", "missing")
    value = row[measure]
    if measure == "l2":
        value *= growth
    # Rounded as printed, so that a difference printed as the limit counts as near.
    difference = round(factor * (value - published_value), digits)
    ours = f"{factor * value:.{digits}f}{unit}"
    if abs(difference) <= factor * NEAR[measure]:
        return Cell(ours, paper, "near", "near")
    kind = "more" if difference > 0 else "less"
    return Cell(ours, paper, f"{abs(difference):.{digits}f}{_UNITS[measure]} {kind}", kind)

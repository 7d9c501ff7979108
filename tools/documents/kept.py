"""The kept results that the documents show."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from stages.common.data_frames import read_numbers

REPORTS = Path("reports")
CELEBA, BUNDLED = REPORTS / "celeba", REPORTS / "evaluation"
# Of reports/celeba: Model B stands on dlib, as in the bundled run.
DESCRIPTORS = {"A": "none", "B": "dlib"}
# Recognisers that no method on descriptors attacks.
BLACK_BOX = ("sface", "faceres")


def of_method(name: str, method: str) -> pd.DataFrame:
    """The rows of a method without a model in a table of reports/celeba, of one model: all have the same images."""
    table = read_numbers(CELEBA / f"{name}.csv")
    rows = table[table["method"] == method]
    return rows[rows["model"] == rows["model"].iloc[-1]]


def at_one_per_cent(method: str) -> pd.DataFrame:
    """The rows of a method in recognition.csv at FMR 1 %, by recogniser."""
    return of_method("recognition", method).query("fmr == 0.01").set_index("recogniser")


def published() -> Mapping:
    """The paper's values."""
    return YAML(typ="safe", pure=True).load(REPORTS / "paper.yaml")


def plain_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table without caption."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows))

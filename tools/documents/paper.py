"""The documents' tables of the paper's measures: Table 3, seeds and readings."""

import re
from pathlib import Path

import pandas as pd

from pfgvm.methods import PAPER_METHODS
from pfgvm.report.published import published_cells
from pfgvm.report.readings_table import readings_table
from pfgvm.report.render import markdown
from pfgvm.report.seeds_tables import seeds_tables
from pfgvm.report.table3 import MEASURES, table3, table3_full
from pfgvm.report.table_data import as_records, table3_metrics
from tools.documents.kept import DESCRIPTORS, plain_table, published

MEASURE_LABELS = {"l2": "L2", "mssim_legacy": "SI", "mr": "MR"}


def first_table(document: str) -> str:
    """The first table of a Markdown `document`, with its caption and notes."""
    return re.split(r"(?m)^(?=Table .* in full|Table 4)", document)[0]


def table3_of(folder: Path) -> str:
    """Table 3 and Table 3 in full, from the numbers in `folder`."""
    rows = as_records(pd.read_csv(folder / "table3.csv"))
    tables = [table3(rows, published(), DESCRIPTORS), table3_full(rows, table3_metrics(), DESCRIPTORS)]
    return "\n".join(map(markdown, tables))


def table_alone(document: str) -> str:
    """The first table of a Markdown `document`, with its caption, without its notes."""
    return re.split(r"(?m)^- ", first_table(document))[0]


def differences(folder: Path) -> str:
    """Our Table 3 minus the paper's, by method, and MR of Model A on test images alone."""
    rows = pd.read_csv(folder / "table3.csv").query("pixels == 'float'").set_index(["model", "method"])

    def cells(model: str, method: str) -> list[str]:
        ours, paper = rows.loc[(model, method)], published_cells(published(), model, method)
        return [
            f"{factor * (ours[measure] - paper[measure]):+.{digits}f}{' points' if unit else ''}".replace("-", "−")
            for measure, (digits, factor, unit) in MEASURES.items()
        ]

    lines = [[method, *(cell for model in DESCRIPTORS for cell in cells(model, method))] for method in PAPER_METHODS]
    heads = [f"{model}: {MEASURE_LABELS[measure]}" for model in DESCRIPTORS for measure in MEASURES]
    test_rates = ", ".join(f"{method} {100 * rows.loc[('A', method), 'mr_test']:.1f} %" for method in PAPER_METHODS)
    return plain_table(["Ours minus the paper's", *heads], lines) + f"\n\nA: MR on test images alone: {test_rates}."


def seeds(folder: Path) -> str:
    """Tables 3 and 4 over seeds."""
    return "\n".join(map(markdown, seeds_tables(pd.read_csv(folder / "seeds.csv"), published(), DESCRIPTORS)))


def readings(folder: Path) -> str:
    """Model A under readings of what the paper leaves open."""
    return markdown(readings_table(pd.read_csv(folder / "readings.csv", keep_default_na=False), published()))

"""What is kept as data from runs that no stage repeats reads as its numbers say."""

import pandas as pd
import pytest

from pfgvm.report.protection.tables import protection_tables
from pfgvm.report.protection.verdict import verdict
from pfgvm.report.readings import readings_table
from pfgvm.report.render import markdown
from pfgvm.report.seeds import seeds_tables, with_summary
from pfgvm.report.table3 import table3
from stages.common.data_frames import read_numbers
from stages.protection import TABLES
from tests.committed import committed, committed_table
from tests.published import PAPER

DESCRIPTORS = {"A": "none", "B": "dlib"}


@pytest.mark.parametrize("folder", ["evaluation", "celeba"])
def test_a_kept_evaluation_says_what_its_tables_hold(folder, tmp_path):
    # Tables of single persons are not kept.
    found = dict.fromkeys(("persons", "recognised_persons"), pd.DataFrame())
    for name in TABLES:
        if name not in found:
            (tmp_path / name).write_text(committed(f"reports/{folder}/{name}.csv"), "utf-8")
            found[name] = read_numbers(tmp_path / name)
    text = committed(f"reports/{folder}/protection.md")
    sentences, tables = verdict(found), protection_tables(found)
    assert text.startswith("".join(f"{sentence}\n\n" for sentence in sentences)) and len(sentences) > 4
    assert [table.title for table in tables if markdown(table) not in text] == [] and len(tables) > 6


def test_kept_table_3_holds_its_numbers():
    rows = committed_table("reports/celeba/table3.csv").to_dict("records")
    assert committed("reports/celeba/table3.md").startswith(markdown(table3(rows, PAPER, DESCRIPTORS)))


@pytest.mark.parametrize("folder", ["reports", "reports/celeba"])
def test_kept_seeds_hold_their_numbers(folder):
    seeds = committed_table(f"{folder}/seeds.csv")
    runs = seeds[seeds["seed"].str.isdigit()]
    pd.testing.assert_frame_equal(with_summary(runs), seeds)
    shown = "\n".join(map(markdown, seeds_tables(seeds, PAPER, DESCRIPTORS)))
    assert committed(f"{folder}/seeds.md") == shown


def test_kept_readings_hold_their_numbers():
    readings = committed_table("reports/celeba/readings.csv")
    assert committed("reports/celeba/readings.md") == markdown(readings_table(readings, PAPER))

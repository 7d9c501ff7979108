"""What the README claims is what the committed run says."""

import csv

import pytest

from tests.project import ROOT

README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("folder", ["reports", "reports/celeba"])
def test_the_readme_shows_the_committed_table_3(folder):
    shown = README.split(f"<!-- kept equal to {folder}/table3.md by")[1].split("-->", 1)[1].split("<!-- end")[0].strip()
    committed = (ROOT / folder / "table3.md").read_text("utf-8").split("Table 3 in full")[0].strip()
    assert shown == committed


def test_the_committed_reports_are_of_synthetic_faces():
    table4 = (ROOT / "reports/table4.csv").read_text("utf-8").splitlines()
    assert all(",synthetic," in row for row in table4[1:])


def test_of_real_faces_numbers_alone_are_committed():
    assert {path.suffix for path in (ROOT / "reports/celeba").iterdir()} == {".csv", ".md"}


def test_the_speed_shown_is_the_speed_measured():
    file = "benchmarks/results/intel-xeon-2-cores.md"
    shown = README.split(f"<!-- kept equal to {file} by")[1].split("-->", 1)[1].split("<!-- end")[0].strip()
    committed = (ROOT / file).read_text("utf-8")
    assert shown == "\n".join(line for line in committed.splitlines() if line.startswith("|"))


def test_every_make_target_in_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = {line.split()[1] for line in README.splitlines() if line.startswith("    make ")}
    assert named
    assert all(f"\n{target}:" in makefile for target in named)


def test_the_memory_shown_is_the_memory_measured():
    page = (ROOT / "docs/cluster.md").read_text("utf-8")
    shown = page.split("memory.csv by tests/test_readme.py -->")[1].split("<!-- end")[0]
    shown = [[cell.strip() for cell in line.strip("| ").split("|")] for line in shown.split("\n") if line]
    with open(ROOT / "benchmarks/results/memory.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert shown == [["job \\ images", *header[1:]], ["---", *["---:"] * (len(header) - 1)], *rows]

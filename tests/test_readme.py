"""What the README claims is what the committed run says."""

import io
import subprocess

import pandas as pd
import pytest

from tests.project import ROOT


def committed(name: str) -> str:
    """The file `name` as it is committed: a run on another processor rebuilds reports with other last digits."""
    shown = subprocess.run(["git", "show", f"HEAD:{name}"], cwd=ROOT, check=True, capture_output=True)
    return shown.stdout.decode()


README = committed("README.md")


@pytest.mark.parametrize("folder", ["reports", "reports/celeba"])
def test_the_readme_shows_the_committed_table_3(folder):
    shown = README.split(f"<!-- kept equal to {folder}/table3.md by")[1].split("-->", 1)[1].split("<!-- end")[0].strip()
    assert shown == committed(f"{folder}/table3.md").split("Table 3 in full")[0].strip()


def test_the_readme_shows_what_recognisers_find_on_photographs():
    found = pd.read_csv(io.StringIO(committed("reports/celeba/recognition.csv"))).query("fmr == 0.01")
    of = {(row["model"], row["method"], row["recogniser"]): row for row in found.to_dict("records")}
    block = README.split("<!-- kept equal to reports/celeba/recognition.csv by")[1].split("<!-- end")[0]
    head, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines() if "|" in line]
    assert head[1:] == ["SFace", "faceres", "dlib"] and len(rows) == 8
    for name, *cells in rows:
        method, _, model = name.partition(", Model ")
        # What was made on no model is the same for both.
        for recogniser, cell in zip(("sface", "faceres", "dlib"), cells, strict=True):
            row = of[model or "A", method, recogniser]
            rate, low, high = (f"{100 * row[column]:.1f}" for column in ("tmr_protected", "low", "high"))
            assert cell == f"{rate} ({low}–{high})" + ", seen" * row["seen"]


def test_the_committed_reports_are_of_synthetic_faces():
    table4 = committed("reports/table4.csv").splitlines()
    assert all(",synthetic," in row for row in table4[1:])


def test_of_real_faces_numbers_alone_are_committed():
    assert {path.suffix for path in (ROOT / "reports/celeba").iterdir()} == {".csv", ".md"}


def test_every_make_target_in_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = {line.split()[1] for line in README.splitlines() if line.startswith("    make ")}
    assert named
    assert all(f"\n{target}:" in makefile for target in named)

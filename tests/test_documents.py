"""The documents: their generated parts are up to date, and what they name is there."""

import io
import re
import subprocess
import tarfile
from pathlib import Path

import pandas as pd
import pytest

from pfgvm.report.render import markdown
from pfgvm.report.seeds_tables import with_summary
from pfgvm.report.table3 import table3
from tests.committed import committed, committed_table
from tests.project import ROOT
from tests.published import PAPER
from tools import docs


@pytest.fixture
def committed_documents(tmp_path, monkeypatch):
    """The folder of the documents and numbers as they are committed, where the test then is."""
    names = ("README.md", "docs", "reports")
    archive = subprocess.run(["git", "archive", "HEAD", *names], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_generated_parts_are_up_to_date(committed_documents):
    found = docs.generated()
    assert [path for path, text in found.items() if path.read_text("utf-8") != text] == []


@pytest.mark.parametrize("folder", ["reports", "reports/celeba"])
def test_kept_means_over_seeds_follow_from_the_seeds(folder):
    seeds = committed_table(f"{folder}/seeds.csv")
    pd.testing.assert_frame_equal(with_summary(seeds[seeds["seed"].str.isdigit()]), seeds)


def test_kept_table_3_follows_from_its_numbers():
    rows = committed_table("reports/celeba/table3.csv").to_dict("records")
    assert committed("reports/celeba/table3.md").startswith(markdown(table3(rows, PAPER, {"A": "none", "B": "dlib"})))


def test_a_changed_number_changes_its_part(committed_documents):
    before = Path("README.md").read_text("utf-8")
    path = Path("reports/celeba/recognition.csv")
    rows = path.read_text("utf-8").splitlines()
    [place] = [n for n, row in enumerate(rows) if row.startswith("B,P-FGVM,sface,False,0.01,")]
    cells = rows[place].split(",")
    cells[rows[0].split(",").index("tmr_protected")] = "0.123"
    path.write_text("\n".join([*rows[:place], ",".join(cells), *rows[place + 1 :], ""]), "utf-8")
    docs.main()
    after = Path("README.md").read_text("utf-8")
    assert after != before and "12.3" in after


def test_an_unknown_part_is_named(committed_documents):
    Path("docs/method.md").write_text("<!-- begin weather -->\n<!-- end -->\n", "utf-8")
    with pytest.raises(KeyError, match="weather"):
        docs.generated()


@pytest.mark.parametrize("page", ["README.md", "docs/evaluation.md", "docs/cluster.md", "docs/protect.md"])
def test_every_make_target_that_a_page_names_exists(page):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = re.findall(r"\bmake ([a-z][a-z-]+)(?=[ `\n])", "\n".join(code_of(committed(page))))
    assert named
    assert [target for target in named if f"\n{target}:" not in makefile] == []


def code_of(text: str) -> list[str]:
    """The lines of code in a Markdown `text`, and what stands between backquotes."""
    return [line for line in text.splitlines() if line.startswith("    ")] + re.findall(r"`([^`]+)`", text)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_every_link_to_a_file_leads_somewhere(page):
    folder = (ROOT / page).parent
    links = re.findall(r"\]\(([^)#:\s]+)\)", committed(page))
    assert [link for link in links if not (folder / link).exists()] == []


def test_the_committed_reports_are_of_synthetic_faces():
    assert all(",synthetic," in row for row in committed("reports/table4.csv").splitlines()[1:])


def test_of_real_faces_numbers_alone_are_committed():
    assert {path.suffix for path in (ROOT / "reports/celeba").iterdir()} == {".csv", ".md"}

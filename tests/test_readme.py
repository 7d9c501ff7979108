"""What the README claims is what the committed run says."""

from tests.project import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_the_readme_shows_the_committed_table_3():
    shown = README.split("tests/test_readme.py -->")[1].split("<!-- end")[0].strip()
    committed = (ROOT / "reports/table3.md").read_text("utf-8").split("Table 3 in full")[0].strip()
    assert shown == committed


def test_the_committed_reports_are_of_synthetic_faces():
    table4 = (ROOT / "reports/table4.csv").read_text("utf-8").splitlines()
    assert all(",synthetic," in row for row in table4[1:])


def test_every_make_target_in_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = {line.split()[1] for line in README.splitlines() if line.startswith("    make ")}
    assert named
    assert all(f"\n{target}:" in makefile for target in named)

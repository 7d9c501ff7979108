"""The documents: their generated parts are up to date, and what they name is there."""

import io
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from pfgvm.report.seeds_tables import with_summary
from tests.committed import committed, committed_table
from tests.project import ROOT
from tools import docs


@pytest.fixture
def committed_documents(tmp_path, monkeypatch):
    """The folder of the documents and numbers as they are committed, where the test then is."""
    names = ("README.md", "docs", "reports", "benchmarks/results")
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


PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
# Who runs a command that test_the_commands_of_a_page_run does not: a test, or continuous integration.
RUN_ELSEWHERE = {
    r"make (test|lint|test-long|test-processors)": ".ci/run",
    r"python -m pytest .*": ".ci/run",
    r"git (add|commit) .*|pre-commit install": "no result to test",
    r"make setup": "test_environment.py::test_make_setup_installs_hashed_pins_alone_into_its_own_folder",
    r"pip install \.": "test_environment.py::test_the_installed_library_works_away_from_the_project",
    r"make celeba": "needs the network",
    r"make paper .*": "test_settings.py::test_make_paper_sets_the_papers_scale",
    r"python -m tools\.collect .*": "test_collect.py::test_results_are_copied_and_their_run_is_recorded",
    r"make bench.*": "needs the packages of benchmarks/requirements.lock",
    r"(make cluster|snakemake) .*slurm.*": "test_cluster.py::test_slurm_with_a_job_cancelled_and_a_node_lost",
    r"git clone .*|dvc (remote|push|pull) .*": "test_workflow.py::test_the_outputs_travel_by_a_dvc_remote",
}


def blocks(page: str, language: str) -> list[str]:
    """The fenced code blocks of a page in one language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", committed(page))


def commands(page: str) -> list[str]:
    """The shell commands of a page, one a line."""
    return [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]


def test_the_tests_that_run_commands_exist():
    for file, name in (place.split("::") for place in RUN_ELSEWHERE.values() if "::" in place):
        assert f"\ndef {name}(" in (ROOT / "tests" / file).read_text("utf-8")


@pytest.fixture
def newcomer(evaluated, tmp_path):
    """A copy of the built project with the environment in .venv, and the files that the documents' commands name."""
    environment = Path(sys.prefix)
    if not (environment / "bin/activate").exists():
        pytest.skip("the environment has no bin/activate")
    project = evaluated.copied(tmp_path / "project")
    (project.folder / ".venv").symlink_to(environment)
    for name in ("requirements.lock", "references.lock"):
        # Older than the environment, so that make installs nothing.
        os.utime(project.folder / name, (0, 0))
    faces = project.folder / "data/synthetic-faces"
    listed = [line.split() for line in (faces / "identity_CelebA.txt").read_text("utf-8").splitlines()]
    identities = list(dict.fromkeys(identity for _, identity in listed))[:12]
    with zipfile.ZipFile(faces / "img_align_celeba.zip") as archive:
        content = {
            name: archive.read(f"img_align_celeba/{name}") for name, identity in listed if identity in identities
        }
    for folder in (project.folder / "people", tmp_path / "my faces (1)"):
        for name, identity in listed:
            if name in content:
                (folder / identity).mkdir(parents=True, exist_ok=True)
                (folder / identity / name).write_bytes(content[name])
    for name in ("holiday.jpg", "my cat and I.png", "more/third.jpg"):
        path = project.folder / name
        path.parent.mkdir(exist_ok=True)
        with Image.open(io.BytesIO(next(iter(content.values())))) as face:
            face.resize((356, 436)).save(path)
    return project


@pytest.mark.long
@pytest.mark.xdist_group("evaluated")
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(newcomer, page):
    # `make export` writes to a new folder `faces`.
    known = {"=DIR": "=people", "data.root=faces": "data.root=people"}
    known["/data/my faces (1)"] = str(newcomer.folder.parent / "my faces (1)")
    elsewhere = re.compile("|".join(RUN_ELSEWHERE))
    script = "\n".join(["set -e", *(line for line in commands(page) if not elsewhere.fullmatch(line))])
    for written, here in known.items():
        script = script.replace(written, here)
    newcomer._run("bash", "-c", script)


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in (ROOT / page).read_text("utf-8")])
def test_the_python_of_a_page_runs(page):
    for program in blocks(page, "python"):
        exec(compile(program, page, "exec"), {})


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_that_a_page_names_exists(page):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = re.findall(r"\bmake ([a-z][a-z-]+)(?=[ `\n])", "\n".join(code_of(committed(page))))
    assert [target for target in named if f"\n{target}:" not in makefile] == []


def code_of(text: str) -> list[str]:
    """The code of a Markdown `text`: fenced blocks, and what stands between backquotes."""
    return re.findall(r"(?ms)^```\w*\n(.*?)^```", text) + re.findall(r"(?<!`)`([^`]+)`(?!`)", text)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_leads_somewhere(page):
    folder = (ROOT / page).parent
    links = re.findall(r"\]\(([^)#:\s]+)\)", committed(page))
    assert [link for link in links if not (folder / link).exists()] == []


def test_the_committed_reports_are_of_synthetic_faces():
    assert all(",synthetic," in row for row in committed("reports/table4.csv").splitlines()[1:])


def test_of_real_faces_numbers_alone_are_committed():
    assert {path.suffix for path in (ROOT / "reports/celeba").iterdir()} == {".csv", ".md"}

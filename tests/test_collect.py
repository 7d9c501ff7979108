"""Results of a run in a clone: what is copied, what is recorded, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pfgvm.errors import InputError
from tests.project import ROOT
from tools import collect

PIPELINE = "stages:\n  copy:\n    cmd: cp code.py table.csv\n    deps: [code.py]\n    outs: [table.csv]\n"


def run(folder: Path, *command: str) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone with a finished run, which is not that of its committed settings; the test is in the project."""
    folder, project = tmp_path / "clone", tmp_path / "project"
    (folder / "reports/celeba").mkdir(parents=True)
    (project / "reports/celeba").mkdir(parents=True)
    run(folder, "git", "init", "--quiet")
    run(folder, sys.executable, "-m", "dvc", "init", "--quiet")
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text("utf-8"), "utf-8")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "code.py").write_text("code\n")
    (folder / ".gitignore").write_text("/table.csv\n")
    for name in ("table3.csv", "table4.csv", "differences.csv", "runs.json", "celeba/table3.csv"):
        (folder / "reports" / name).write_text("committed\n")
    run(folder, "git", "add", "--all")
    run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "code")
    path = folder / "params.yaml"
    path.write_text(path.read_text("utf-8").replace("root: data/synthetic-faces", "root: /faces"), "utf-8")
    path.write_text(path.read_text("utf-8").replace("  images_per_person: 30", "  images_per_person: 29"), "utf-8")
    (folder / "reports/table3.csv").write_text("measured\n")
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=folder, check=True, env=environment)
    monkeypatch.chdir(project)
    return folder


def records() -> dict:
    return json.loads(collect.RUNS.read_text("utf-8"))


def test_results_are_copied_and_their_run_is_recorded(clone):
    collect.main(run=clone, results=["celeba"])
    assert Path("reports/celeba/table3.csv").read_text() == "measured\n"
    [(name, record)] = records().items()
    assert name == "celeba" and record["commit"] == run(clone, "git", "rev-parse", "HEAD")[:12]
    # The folder of the faces says nothing elsewhere.
    assert record["settings"] == {"subset.images_per_person": 29}
    assert record["machine"]["cores"] >= 1 and record["machine"]["torch"]

    (clone / "reports/seeds.csv").write_text("seeds\n")
    collect.main(run=clone, results=["celeba-seeds"])
    assert list(records()) == ["celeba", "celeba-seeds"]


def test_of_the_bundled_run_nothing_is_taken_that_was_collected_before(clone, monkeypatch):
    monkeypatch.setitem(collect.RESULTS, "bundled", (("dvc.yaml",), {"reports": "reports", "dvc.lock": "dvc.lock"}))
    run(clone, "git", "add", "dvc.lock")
    collect.main(run=clone, results=["bundled"])
    assert Path("reports/table3.csv").read_text() == "measured\n" and Path("dvc.lock").exists()
    assert not Path("reports/celeba/table3.csv").exists() and list(records()) == ["bundled"]


@pytest.mark.parametrize("name", ["code.py", "new code.py", "reports/page/style.css"])
def test_changed_code_is_refused(clone, name):
    (clone / name).parent.mkdir(exist_ok=True)
    (clone / name).write_text("other code\n")
    with pytest.raises(InputError, match=f"{name} differ from its commit; commit them and run again"):
        collect.main(run=clone, results=["celeba"])
    assert not collect.RUNS.exists()


def test_a_stale_stage_is_refused(clone):
    (clone / "table.csv").unlink()
    with pytest.raises(InputError, match=r"dvc.yaml: is not up to date; run `dvc repro dvc.yaml` there"):
        collect.main(run=clone, results=["celeba"])
    assert not list(Path("reports/celeba").iterdir())


def test_unknown_results_are_named(clone):
    with pytest.raises(InputError, match="--results celebs: is unknown; use one of bundled, bundled-seeds, celeba"):
        collect.main(run=clone, results=["celebs"])

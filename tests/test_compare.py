"""`make compare`, and DVC's tables of experiments, on experiments in the built project."""

import io
import json
import re
import shlex
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
from dvc.api import DVCFileSystem
from PIL import Image

from pfgvm.faces.images import to_8bit
from pfgvm.methods import PAPER_METHODS
from tests.project import ROOT, Project
from tools.compare import main

# Slow fixtures: only one worker builds them.
pytestmark = [pytest.mark.xdist_group("compare"), pytest.mark.long]

DOCUMENTED = (ROOT / "docs/experiments.md").read_text("utf-8")
# The width of a usual terminal; DVC pads its tables by a few characters.
COLUMNS = 105
OUT = ("--out", "data/compared")


@pytest.fixture(scope="module")
def project(built: Project) -> Iterator[Project]:
    """The built project with two experiments, which only DVC stores: the files are the commit's.

    `near` has a smaller ε of I-FGSM on Model B only, to save time; `same` has the same results.
    """
    changed = ("attack@B-i_fgsm", "score@B-i_fgsm", "scores", "tables")
    built.dvc("exp", "run", "--name", "near", "-S", "attack.i_fgsm.epsilon=0.01", "--single-item", *changed)
    built.restore()
    built.dvc("exp", "run", "--name", "same", "-S", "page.faces_mb=3", "tables")
    built.restore()
    yield built
    built.dvc("exp", "remove", "near", "same")


@pytest.fixture(scope="module")
def written(project) -> tuple[pd.DataFrame, str]:
    """compare.csv and compare.html of the commit and both experiments."""
    before = project.git("status", "--porcelain")
    printed = project.tool("compare", "HEAD", "near", "same", *OUT)
    assert printed.splitlines() == ["data/compared/compare.csv", "data/compared/compare.html"]
    assert project.git("status", "--porcelain") == before
    folder = project.folder / "data/compared"
    return pd.read_csv(folder / "compare.csv", keep_default_na=False), (folder / "compare.html").read_text("utf-8")


def commit_of(project: Project, name: str) -> str:
    if name == "HEAD":
        return name
    [reference] = [line for line in project.git("for-each-ref", "refs/exps").splitlines() if line.endswith(f"/{name}")]
    return reference.split()[0]


def test_values_are_those_of_each_runs_own_metrics(project, written):
    table, _ = written
    assert list(table["run"].unique()) == ["HEAD", "near", "same"]
    for name in ("HEAD", "near", "same"):
        metrics = json.loads(project.git("show", f"{commit_of(project, name)}:reports/metrics.json"))
        rows = table[table["run"] == name]
        # Per model, three measures of each method and the accuracy.
        assert len(rows) == 2 * (5 * 3 + 1)
        for row in rows.to_dict("records"):
            of_model = metrics[row["model"]]
            expected = of_model[row["method"]][row["measure"]] if row["method"] else of_model["test_accuracy"]
            assert row["value"] == pytest.approx(expected, rel=1e-5), row


def test_only_what_the_setting_touches_differs(written):
    table, _ = written
    later = table[table["run"] != "HEAD"].astype({"difference": float})
    assert set(later["paired"]) == {"yes"}
    touched = (later["run"] == "near") & (later["model"] == "B") & (later["method"] == "I-FGSM")
    assert (later[~touched]["difference"] == 0).all()
    by_measure = later[touched].set_index("measure")["difference"]
    assert by_measure["l2"] < 0 < by_measure["mssim_legacy"]


def test_the_page_names_the_setting_and_shows_the_images_of_each_run(project, written):
    _, page = written
    cells = re.findall(r"<tr[^>]*><td[^>]*>attack\.i_fgsm\.epsilon</td>(.*?)</tr>", page, re.DOTALL)
    assert [re.findall(r">([^<]+)<", row) for row in cells] == [["0.026", "0.01", "0.026"]]
    all_runs = "HEAD, near, same"
    # The alternative text names identity, method and runs.
    shown = re.findall(
        r'<img src="data:image/webp;base64,([^"]+)" alt="([^"]+), protected by ([^"]+) in ([^"]+)"', page
    )
    assert {(method, runs) for _, _, method, runs in shown} == {
        ("P-FGVM", all_runs), ("I-FGVM", all_runs), ("I-FGSM", all_runs), ("I-FGSM", "HEAD, same"), ("I-FGSM", "near"),
    }  # fmt: skip
    rows = np.concatenate([np.load(project.folder / f"data/adversarial/{model}/i_fgsm.npy") for model in "AB"])
    protected = {to_8bit(row["pixels"]).tobytes() for row in rows}
    for data, _, method, runs in shown:
        if method == "I-FGSM":
            pixels = np.asarray(Image.open(io.BytesIO(b64decode(data))).convert("RGB")).transpose(2, 0, 1)
            assert (pixels.tobytes() in protected) == (runs != "near")


@pytest.fixture
def refused(project, monkeypatch, capsys) -> Callable[..., str]:
    """Compare invalid runs in the project's folder; returns the error message."""
    monkeypatch.chdir(project.folder)

    def compare(*runs: str) -> str:
        assert main([*runs, "--out", "data/refused"]) == 1
        assert not (project.folder / "data/refused").exists()
        return capsys.readouterr().err

    return compare


def test_the_files_as_they_lie_are_a_run_too(project, monkeypatch):
    monkeypatch.chdir(project.folder)
    assert main(["HEAD", "workspace", *OUT]) == 0
    table = pd.read_csv(project.folder / "data/compared/compare.csv")
    assert list(table["run"].unique()) == ["HEAD", "workspace"]
    assert (table[table["run"] == "workspace"]["difference"] == 0).all()
    page = (project.folder / "data/compared/compare.html").read_text("utf-8")
    assert "No setting differs." in page
    for method in PAPER_METHODS:
        assert f"protected by {method} in HEAD, workspace" in page


def test_a_run_that_is_not_there_is_named(project, refused):
    assert refused("HEAD", "nowhere").startswith("error: nowhere: is not a finished experiment")
    first = project.git("rev-list", "--max-parents=0", "HEAD").strip()
    assert refused("HEAD", first).startswith(f"error: {first}: it has no data/scores.csv")


@pytest.mark.parametrize("runs", ["HEAD", "HEAD near HEAD"])
def test_fewer_than_two_runs_are_refused(refused, runs):
    assert refused(*runs.split()).startswith(f"error: {runs}: name two or more")


def test_a_file_that_the_cache_has_lost_is_named_with_the_remedy(project, refused):
    path = "data/adversarial/B/i_fgsm.npy"
    digest = DVCFileSystem(project.folder, rev="near").info(path)["md5"]
    cached = project.folder / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    aside = cached.rename(cached.with_name("aside"))
    try:
        message = refused("HEAD", "near")
    finally:
        aside.rename(cached)
    assert message.startswith("error: near: DVC's cache") and path in message and "`dvc pull dvc.yaml`" in message
    assert "`dvc exp apply near`" in message


def test_a_file_that_does_not_lie_there_is_named(project, refused):
    scores = project.folder / "data/scores.csv"
    aside = scores.rename(scores.with_name("aside"))
    try:
        message = refused("HEAD", "workspace")
    finally:
        aside.rename(scores)
    assert message.startswith("error: workspace: there is no data/scores.csv") and "`dvc repro`" in message


# ── DVC's tables ──────────────────────────────────────────────────────────────────────────────────────────────────


def commands(beginning: str) -> list[list[str]]:
    """The documented commands with this beginning, with the name of the tests' experiment."""
    lines = [line for line in DOCUMENTED.splitlines() if line.startswith(f"{beginning} ")]
    assert lines
    return [["near" if word == "closer" else word for word in shlex.split(line)[1:]] for line in lines]


def test_experiments_are_listed_on_a_screens_width(project):
    for command in commands("dvc exp show"):
        printed = project.dvc(*command)
        assert max(map(len, printed.splitlines())) <= COLUMNS
        header, *rows = [line.split() for line in printed.splitlines() if line.strip(" ─")]
        assert {"B.I-FGSM.l2", "attack.i_fgsm.epsilon"} <= set(header)
        [near], [same] = ([row for row in rows if name in row] for name in ("[near]", "[same]"))
        assert "0.01" in near and "0.026" in same


def test_the_differences_of_two_revisions_are_listed(project):
    printed = {}
    for what in ("params", "metrics"):
        for command in commands(f"dvc {what} diff"):
            printed[what] = project.dvc(*command)
            assert max(map(len, printed[what].splitlines())) <= COLUMNS
    [changed] = [line.split() for line in printed["params"].splitlines() if "attack" in line]
    assert changed[1:] == ["attack.i_fgsm.epsilon", "0.026", "0.01"]
    names = [line.split()[1] for line in printed["metrics"].splitlines()[1:]]
    assert names and all("I-FGSM" in name for name in names)


def test_plots_hold_both_revisions(project):
    for command in commands("dvc plots diff"):
        plots = json.loads(project.dvc(*command, "--json"))["data"]
        [table3] = plots["reports/table3.csv"]
        assert {row["rev"] for row in table3["content"]["data"]["values"]} == {"HEAD", "near"}


# ── make ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def make(*arguments: str) -> str:
    command = ["make", "--dry-run", "--no-print-directory", "compare", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_make_hands_on_names_as_they_are():
    recipe = make("EXP=HEAD near feature/a;b it's HEAD~2")
    [command] = [line for line in recipe.splitlines() if "tools.compare" in line]
    assert shlex.split(command.split("&&")[1])[-6:] == ["--", "HEAD", "near", "feature/a;b", "it's", "HEAD~2"]


def test_make_without_names_says_what_to_name():
    [check] = [line for line in make().splitlines() if line.startswith("test -n")]
    done = subprocess.run(["sh", "-c", check], capture_output=True, text=True)
    assert done.returncode == 1 and "make compare EXP=" in done.stdout

"""The pipeline at other settings in copies of the project: seeds and readings of the paper."""

import copy
import functools
import operator
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from pfgvm.errors import InputError
from pfgvm.evaluation.statistics import mean_over_runs
from pfgvm.methods import PAPER_METHODS
from pfgvm.report import readings_table, seeds_tables
from pfgvm.settings import parse
from tests.project import ROOT
from tests.published import PAPER
from tests.records import training_record
from tools import variants
from tools.commands import output_of
from tools.readings import readings_of
from tools.variants import run_variant

SUMMARY = ["mean", "low", "high"]


def state(project) -> tuple[str, str]:
    """The status of the project in Git and DVC."""
    return project.git("status", "--porcelain"), project.dvc("status")


def own_table3(project) -> pd.DataFrame:
    """Table 3 of the project's run, float images."""
    table3 = pd.read_csv(project.folder / "reports/table3.csv")
    return table3[table3["pixels"] == "float"].reset_index(drop=True)


@pytest.mark.long
def test_seeds_run_in_copies(built):
    before = state(built)
    options = ("--paper", "reports/paper.yaml", "--out", "data/variants")
    built.tool("seeds", "--count", "2", *options)
    table = pd.read_csv(built.folder / "data/variants/seeds.csv", dtype={"seed": str})
    assert list(table.columns)[:8] == "seed model method l2 mssim mssim_legacy mr test_accuracy".split()
    assert list(table["seed"].unique()) == ["0", "1", *SUMMARY]
    # Seed 0 is the committed seed: its rows equal those of the project's tables.
    table3 = own_table3(built)
    first = table[table["seed"] == "0"].reset_index(drop=True)
    measures = ["model", "method", "l2", "mssim", "mssim_legacy", "mr"]
    pd.testing.assert_frame_equal(first[measures], table3[measures], rtol=1e-12)
    second = table[table["seed"] == "1"].reset_index(drop=True)
    assert (first["l2"] != second["l2"]).all()
    text = (built.folder / "data/variants/seeds.md").read_text("utf-8")
    assert "Mean over 2 seeds" in text and "Table 3 over seeds" in text and "Table 4 over seeds" in text

    # A second run has nothing to do and gives the same table.
    output = built.tool("seeds", "--count", "2", *options)
    assert "Running stage" not in output.replace("Running stage 'settings'", "")
    pd.testing.assert_frame_equal(table, pd.read_csv(built.folder / "data/variants/seeds.csv", dtype={"seed": str}))
    assert state(built) == before
    built.restore()


@pytest.mark.long
def test_readings_run_in_copies(built):
    before = state(built)
    # Three of the readings, to save time.
    names = ["as set", "twice the iterations", "another training seed"]
    program = "from pathlib import Path; from tools import readings; all_readings = readings.readings_of; "
    program += f"readings.readings_of = lambda settings: {{name: all_readings(settings)[name] for name in {names}}}; "
    program += "readings.main(paper=Path('reports/paper.yaml'), out=Path('data/variants'))"
    assert "stages.train --model B" not in built.python(program)
    table = pd.read_csv(built.folder / "data/variants/readings.csv")
    # None of the few attacked images is a test image.
    assert set(table["attacked"]) == {"all"}
    assert len(table) == len(names) * len(PAPER_METHODS)
    # Each changes the result.
    assert table["l2"].nunique() == len(table)
    of_committed = table[table["reading"] == "as set"]
    table3 = own_table3(built)
    paper_methods = table3[(table3["model"] == "A") & table3["method"].isin(PAPER_METHODS)]
    assert list(of_committed["l2"]) == pytest.approx(list(paper_methods["l2"]), rel=1e-12)
    assert state(built) == before
    built.restore()


def test_a_reading_changes_settings_that_exist():
    values = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    for name, changes in readings_of(parse(values, "params.yaml")).items():
        changed = copy.deepcopy(values)
        for key, value in changes.items():
            *sections, last = key.split(".")
            functools.reduce(operator.getitem, sections, changed)[last] = value
        assert (parse(changed, "params.yaml") == parse(values, "params.yaml")) == (name == "as set")


def test_a_failing_variant_names_the_setting(built):
    output = built.tool(
        "seeds", "--count", "1", "--paper", "reports/paper.yaml", "--out", "data/failed", succeeds=False
    )
    assert output.startswith("error: count: 1 ")
    built.set(**{"train.learning_rate": -1.0})
    output = built.tool(
        "seeds", "--count", "2", "--paper", "reports/paper.yaml", "--out", "data/failed", succeeds=False
    )
    assert "setting train.learning_rate" in output and "Traceback" not in output
    assert not (built.folder / "data/failed").exists()
    built.restore()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A clone with settings and a few files, in which no stage runs."""
    # A name of characters that mean something in DVC's configuration.
    folder = tmp_path / "C#, one's"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for command in (("git", "init", "--quiet"), ("dvc", "init", "--quiet")):
        subprocess.run([sys.executable, "-m", *command] if command[0] == "dvc" else command, check=True)
    shutil.copy(ROOT / "params.yaml", folder)
    for name in ("pfgvm/kept.py", "pfgvm/old/gone.py", "reports/page/gone.css", "data/external/README.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / ".gitignore").write_text("/data/*\n!/data/external/\n/.variants/\n")
    (folder / "dvc.lock").write_text("the project's")
    subprocess.run(["git", "add", "--all"], check=True)
    ran = []
    monkeypatch.setattr(variants, "_run", lambda copy, module, *arguments: ran.append((module, *arguments)))
    run_variant("one", {}, ["scores"])
    assert ran == [("dvc", "repro", "scores")]
    return folder


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_copy_has_the_project_s_files_and_its_own_outputs(project):
    copy = project / ".variants/one"
    (copy / "data/scores.csv").write_text("made there")
    (copy / "dvc.lock").write_text("the copy's")
    (project / "pfgvm/old/gone.py").unlink()
    (project / "reports/page/gone.css").unlink()
    (project / "pfgvm/new.py").write_text("new")
    run_variant("one", {"attack.lambda": 0.5}, ["scores"])
    assert parse(YAML(typ="safe").load(copy / "params.yaml"), "params.yaml").attack.penalty == {"A": 0.5, "B": 0.5}
    assert {"pfgvm/kept.py", "pfgvm/new.py", "data/scores.csv", ".dvc/config.local"} <= files(copy)
    assert not {"pfgvm/old/gone.py", "reports/page/gone.css"} & files(copy)
    assert (copy / "dvc.lock").read_text() == "the copy's" and (project / "dvc.lock").read_text() == "the project's"


def test_a_copy_shares_the_project_s_cache(project):
    of_copy = output_of(sys.executable, "-m", "dvc", "--cd", ".variants/one", "cache", "dir")
    assert of_copy == f"{project / '.dvc/cache'}\n"


def test_other_tools_images_are_no_part_of_a_copy(project):
    # They belong to the project's attacked images; another seed attacks other images.
    (project / "data/external/tool").mkdir()
    (project / "data/external/tool/1.png").write_bytes(b"picture")
    run_variant("one", {}, ["scores"])
    assert {name for name in files(project / ".variants/one") if "external" in name} == {"data/external/README.md"}


def test_names_of_any_bytes_are_copied(project):
    name = os.fsencode(project) + b"/caf\xe9.jpg"
    open(name, "wb").close()
    run_variant("one", {}, ["scores"])
    assert os.path.exists(os.fsencode(project / ".variants/one") + b"/caf\xe9.jpg")
    os.unlink(name)
    run_variant("one", {}, ["scores"])
    assert not os.path.exists(os.fsencode(project / ".variants/one") + b"/caf\xe9.jpg")


def test_outside_a_clone_no_variant_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"{tmp_path}: `git .*` failed here .*not a git repository.*; run in a clone"):
        run_variant("one", {}, ["settings"])


def of_seed(seed: int, l2: float, mr: float) -> pd.DataFrame:
    rows = [
        {"seed": str(seed), "model": model, "method": method, "l2": l2 * place, "mssim": 0.9, "mssim_legacy": 0.98}
        | {"mr": mr if place > 1 else 1.0, "test_accuracy": 0.8, "train_accuracy": 1.0, "validation_accuracy": 0.7}
        for model in "AB"
        for place, method in enumerate(PAPER_METHODS, 1)
    ]
    return pd.DataFrame(rows, columns=seeds_tables.SEEDS_COLUMNS)


def test_the_summary_is_the_mean_with_its_interval():
    values = [2.0, 2.5, 3.5]
    summary = seeds_tables.with_summary(pd.concat(of_seed(seed, l2, 0.95) for seed, l2 in enumerate(values)))
    rows = summary[(summary["model"] == "B") & (summary["method"] == "I-FGVM")].set_index("seed")
    assert tuple(rows.loc[SUMMARY, "l2"]) == pytest.approx(mean_over_runs([2 * value for value in values]))
    assert list(rows.loc[SUMMARY, "test_accuracy"]) == pytest.approx([0.8] * 3)
    table3, table4 = seeds_tables.seeds_tables(summary, PAPER, {"A": "none", "B": "dlib"})
    cells = {row[0]: row for row in table3.rows if row[0]}
    middle, low, high = mean_over_runs(values)
    assert cells["P-FGVM"][2] == f"{middle:.2f}"
    assert table3.rows[1][1:3] == ["95 %", f"{low:.2f} to {high:.2f}"]
    assert table3.rows[2][1:5] == ["paper", "3.38", "0.986", "99.6 %"]
    # P-FGVM's L2 is half of I-FGVM's at every seed.
    assert cells["Improvement over I-FGVM"][2:5] == ["50.0 %", "0.0 %", "5.3 %"]
    assert [row[2] for row in table4.rows if row[0]] == ["100.0 %", "70.0 %", "80.0 %"]


def test_no_interval_leaves_what_a_measure_can_be():
    summary = seeds_tables.with_summary(pd.concat([of_seed(0, 0.1, 0.9), of_seed(1, 2.0, 1.0), of_seed(2, 0.1, 1.0)]))
    rows = summary[(summary["model"] == "A") & (summary["method"] == "I-FGSM")].set_index("seed")
    assert tuple(rows.loc[SUMMARY, "mr"]) == pytest.approx((29 / 30, mean_over_runs([0.9, 1.0, 1.0])[1], 1))
    assert rows.loc["low", "l2"] == 0 and rows.loc["high", "l2"] > 6
    table3, _ = seeds_tables.seeds_tables(summary, PAPER, {"A": "none", "B": "dlib"})
    [row] = [place for place, row in enumerate(table3.rows) if row[0] == "I-FGSM"]
    assert table3.rows[row + 1][4].endswith(" to 100.0")


def test_what_often_fails_is_not_compared_over_seeds():
    summary = seeds_tables.with_summary(pd.concat(of_seed(seed, 2.0, 0.89) for seed in range(2)))
    table3, _ = seeds_tables.seeds_tables(summary, PAPER, {"A": "none", "B": "dlib"})
    cells = {row[0]: row for row in table3.rows if row[0]}
    assert cells["Improvement over I-FGSM"][2:] == ["not comparable"] * 6
    assert any(note.startswith("not comparable") for note in table3.notes)


def scores_of_paper(size: tuple[int, int]) -> pd.DataFrame:
    """Scores whose means are the paper's Table 3 for A on images of `size`; nine in ten are test images."""
    ratio = (218 * 178 / (size[0] * size[1])) ** 0.5
    rows = []
    for method, cell in PAPER["table3"]["A"].items():
        for number in range(1000):
            missed = number < 1000 * cell["mr"]
            rows.append(
                {"image": str(number), "person": "a", "split": "test" if number % 10 else "train", "model": "A"}
                | {"method": method, "pixels": "float", "target": "b", "predicted_clean": "a", "linf": 0.1}
                | {
                    "predicted": "b" if missed else "a",
                    "l2": cell["l2"] / ratio,
                    "mssim": 0.9,
                    "mssim_legacy": cell["si"],
                }
            )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("size", [(218, 178), (109, 89)])
def test_the_paper_s_own_numbers_have_no_distance(size):
    readings = readings_table.of_one_reading(scores_of_paper(size), size, PAPER, "as set")
    assert list(readings.columns) == readings_table.READINGS_COLUMNS
    of_all = readings[readings["attacked"] == "all"]
    assert list(of_all["distance"]) == pytest.approx([0.0] * 3, abs=1e-9)
    assert list(of_all["l2_at_paper_size"]) == pytest.approx([3.38, 5.31, 5.68])
    assert list(readings[readings["attacked"] == "test"]["images"]) == [900] * 3

    moved = scores_of_paper(size)
    moved.loc[moved["method"] == "I-FGSM", "mssim_legacy"] += 0.005
    far = readings_table.of_one_reading(moved, size, PAPER, "last epoch")
    assert list(far[far["attacked"] == "all"]["distance"]) == pytest.approx([1 / 9] * 3)

    table = readings_table.readings_table(pd.concat([far, readings]), PAPER)
    assert table.rows[0][:4] == ["paper", "", "", "3.38"]
    assert table.rows[1][:2] == ["as set", "all"]
    assert float(table.rows[-1][-1]) == max(float(row[-1]) for row in table.rows[1:])


def test_seeds_of_one_run_take_float_rows_and_accuracies():
    scores = scores_of_paper((218, 178))
    scores = pd.concat([scores, scores.assign(pixels="8bit", l2=9.0)])
    rows = seeds_tables.of_one_seed(7, scores, [training_record("A")])
    assert rows["seed"].tolist() == ["7"] * 3
    assert list(rows["l2"]) == pytest.approx([3.38, 5.31, 5.68])
    assert list(rows["test_accuracy"]) == pytest.approx([2 / 3] * 3)

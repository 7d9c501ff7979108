"""Where a run stands, from the lines of DVC and of the stages: counts, times by hand, and what is left for the user."""

import json
from pathlib import Path

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from tests.project import ROOT
from tools.repro.pipeline_run import PipelineRun
from tools.repro.stage_seconds import KEPT, REFERENCE, StageSeconds

SECONDS = {"a": 10, "b": 20, "c": 70}


def run_of(own=(), reference=(), stages="abc") -> PipelineRun:
    return PipelineRun(list(stages), dict(own), dict(reference), keep=lambda stage, seconds: None)


def feed(run: PipelineRun, *lines: tuple[float, str]) -> list[str]:
    """What of the `lines`, each with its time, is for the user."""
    return [line for now, line in lines if not run.read(line, now)]


SAVED = "Updating lock file 'dvc.lock'"


def test_times_of_another_machine_say_nothing_until_this_one_has_done_something():
    run = run_of(reference=SECONDS)
    assert run.seconds_left(0) is None
    feed(run, (0, "Running stage 'a':"))
    assert run.seconds_left(5) is None
    feed(run, (20, SAVED))
    # It took twice as long as there: so will the other 90 seconds.
    assert run.seconds_left(20) == pytest.approx(180)


def test_a_twentieth_is_enough_and_less_is_not():
    for name, enough in (("x", False), ("y", True)):
        run = run_of(reference={"x": 5, "y": 5.5, "z": 100}, stages=[name, "z"])
        feed(run, (0, f"Running stage '{name}':"), (10, SAVED))
        assert (run.seconds_left(10) is not None) == enough


def test_times_of_this_machine_hold_from_the_start():
    run = run_of(own=SECONDS)
    assert run.seconds_left(0) == pytest.approx(100)
    feed(run, (0, "Running stage 'a':"))
    assert run.seconds_left(4) == pytest.approx(96)
    # Later than expected: what comes after it is still to come.
    assert run.seconds_left(15) == pytest.approx(90)


def test_the_batches_of_the_stage_at_work_count():
    run = run_of(reference=SECONDS)
    feed(run, (0, "Running stage 'a':"), (20, SAVED), (20, "Running stage 'b':"))
    feed(run, (21, "data/x.npy: 0 of 4 batches"), (32, "data/x.npy: 1 of 4 batches, about 1 min left"))
    # 10 + 20/4 seconds' worth took 32; 15 + 70 are left.
    assert run.seconds_left(32) == pytest.approx(32 / 15 * 85)
    assert run.text(32) == "1 of 3 stages · b, 1 of 4 batches · about 3 min left"


def test_batches_of_an_earlier_run_took_no_time():
    kept = {}
    run = PipelineRun("ab", {}, {"a": 40, "b": 100}, kept.__setitem__)
    feed(run, (0, "Running stage 'a':"), (1, "x: 3 of 4 batches"), (30, "x: 4 of 4 batches"), (30, SAVED))
    # The fourth quarter, 10 seconds there, took 30.
    assert run.seconds_left(30) == pytest.approx(300)
    assert kept == {}
    feed(run, (30, "Running stage 'b':"), (31, "x: 0 of 1 batches"), (50, SAVED))
    assert kept == {"b": 20}


def test_outputs_and_the_batches_of_each():
    run = run_of(own={"a": 90}, stages="a")
    feed(run, (0, "Running stage 'a':"), (0, "evaluate: 0 of 3 outputs"), (0, "x: 0 of 8 batches"))
    feed(run, (30, "x: 8 of 8 batches"), (30, "evaluate: 1 of 3 outputs"))
    assert run.seconds_left(30) == pytest.approx(60)
    feed(run, (31, "y: 0 of 2 batches"), (45, "y: 1 of 2 batches"))
    # A half of the second of three: half is done.
    assert run.seconds_left(45) == pytest.approx(45)
    assert run.text(45) == "0 of 1 stages · a, 1 of 3 outputs, 1 of 2 batches · about 1 min left"


@pytest.mark.parametrize(
    "line", ["Stage 'c' didn't change, skipping", "Stage 'c' is cached - skipping run, checking out outputs"]
)
def test_what_is_up_to_date_takes_no_time(line):
    run = run_of(own=SECONDS)
    assert feed(run, (0, line)) == []
    assert run.seconds_left(0) == pytest.approx(30)
    assert run.text(0) == "1 of 3 stages · less than 1 min left"


def test_a_stage_that_nobody_has_timed_leaves_no_time_until_it_is_over():
    run = run_of(own={"b": 20, "c": 70})
    feed(run, (0, "Running stage 'a':"))
    assert run.seconds_left(1) is None
    feed(run, (5, SAVED))
    assert run.seconds_left(5) == pytest.approx(90)


def test_a_log_hears_of_starts_and_ends():
    run = run_of()
    feed(run, (0, "Running stage 'a':"), (3, "Running stage 'b':"), (8.2, SAVED))
    assert run.news() == [
        "0 of 3 stages · a",
        "1 of 3 stages · a took 3 s",
        "1 of 3 stages · b",
        "2 of 3 stages · b took 5 s",
    ]
    assert run.news() == []
    feed(run, (9, "Stage 'c' didn't change, skipping"))
    assert run.summary(9, succeeded=True) == "3 of 3 stages · 2 run, 1 were up to date"


def test_a_run_that_failed_says_where():
    run = run_of()
    feed(run, (0, "Running stage 'a':"))
    assert run.summary(1, succeeded=False) == "0 of 3 stages · stopped in a"


def test_unknown_stages_are_counted_all_the_same():
    run = run_of(stages="", own=SECONDS)
    feed(run, (0, "Running stage 'a':"), (1, SAVED))
    assert run.text(1) == "1 stages" and run.seconds_left(1) is None


CHATTER = """
> python -m stages.split --subset data/subset.csv --split data/split.csv
Generating lock file 'dvc.lock'
Updating lock file 'dvc.lock'
WARNING: 'data/installed-weights' is empty.

To track the changes with git, run:

\tgit add dvc.lock 'a b'

To enable auto staging, run:

\tdvc config core.autostage true
Use `dvc push` to send your updates to remote storage.
Data and pipelines are up to date.
'data/faces.dvc' didn't change, skipping
"""
WORDS = """
error: params.yaml: data.root: no such folder
warning: Below 600 images Table 3 means nothing
note: 3 images are in two folders: passed over
ERROR: failed to reproduce 'settings': failed to run: python -m stages.settings, exited with 1
WARNING: 'data/split.csv' is empty.
Traceback (most recent call last):
  File "stages/split.py", line 3, in <module>
Stage 'a' was left out by a later DVC
data/x.npy: no batches
"""


def test_chatter_is_kept_from_the_user_and_nothing_else():
    run = run_of()
    feed(run, (0, "Running stage 'a':"))
    assert feed(run, *((1.0, line) for line in CHATTER.splitlines())) == []
    words = WORDS.strip().splitlines()
    assert feed(run, *((1.0, line) for line in words)) == words


def test_the_reference_knows_every_stage_at_the_committed_settings(monkeypatch, tmp_path):
    with Repo(ROOT) as repo:
        stages = [stage.addressing for stage in repo.index.stages]
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("tools.repro.stage_seconds.KEPT", tmp_path / "none.json")
    seconds = StageSeconds()
    reference = seconds.reference(stages)
    assert set(reference) == set(stages)
    assert seconds.own == {}
    # Its own line, and that of all of its name.
    lines = YAML(typ="safe").load(REFERENCE)["seconds"]
    assert reference["attack@B-p_fgvm"] == lines["attack@B-p_fgvm"] and reference["score@A-i_fgsm"] == lines["score"]


def test_seconds_hold_at_the_settings_that_they_were_measured_at(monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    yaml = YAML()
    settings = yaml.load(ROOT / "params.yaml")

    def at(parts: list[str]) -> StageSeconds:
        settings["evaluation"]["parts"] = parts
        yaml.dump(settings, Path("params.yaml"))
        return StageSeconds()

    split = YAML(typ="safe").load(REFERENCE)["seconds"]["split"]
    at([]).keep("split", 2.0)
    assert at(["quality"]).own == {} and at(["quality"]).reference(["split"]) == {}
    at(["quality"]).keep("split", 3.0)
    assert at([]).own == {"split": 2.0} and at([]).reference(["split"]) == {"split": split}
    assert at(["quality"]).own == {"split": 3.0}


@pytest.mark.parametrize("content", ["", "{", "no: [", "- a list"])
def test_settings_and_seconds_that_cannot_be_read_are_none(monkeypatch, tmp_path: Path, content):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(content)
    KEPT.parent.mkdir(parents=True)
    KEPT.write_text("{")
    assert StageSeconds().own == {} and StageSeconds().reference(["split"]) == {}
    StageSeconds().keep("split", 1.0)
    assert list(json.loads(KEPT.read_text()).values()) == [{"split": 1.0}]

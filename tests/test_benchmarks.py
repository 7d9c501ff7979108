"""The workloads, goals and tables of the benchmarks; no time is tested."""

import json
from dataclasses import asdict

import pytest
import torch

from benchmarks import machine, speed_table
from benchmarks.__main__ import ROWS, measure
from benchmarks.measurement import Measurement, side_by_side
from benchmarks.workloads import PERSONS, bundled
from tests.project import ROOT

RESULTS = sorted((ROOT / "benchmarks/results").glob("*.json"))
HERE = {"cpu": "a processor", "cores": 2, "gpu": "none", "torch": "2"}


def measurement(**changed) -> Measurement:
    others = {"slow": [9.0, 8.0, 7.0], "fast": [4.0, 100.0, 3.0]}
    values = {"row": "work", "what": "it", "unit": "s", "ours": [1.0, 2.0, 50.0], "others": others}
    return Measurement(**(values | changed))


def test_the_goal_is_compared_with_the_fastest_by_median():
    assert measurement().fastest == "fast" and measurement().ratio == 2
    assert measurement().reached is None
    assert measurement(goal=2).reached and not measurement(goal=2.1).reached
    assert measurement(others={}, goal=2).reached and not measurement(others={}, goal=1.9).reached


def test_every_task_takes_its_turn_and_the_first_round_is_not_counted():
    turns = []
    tasks = {name: (lambda name=name: turns.append(name)) for name in "ab"}
    times = side_by_side(tasks, 3, 1)
    assert turns == list("abababab")
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3}


def test_the_table_names_what_was_not_measured(tmp_path):
    entries = [
        asdict(measurement(goal=2, checks={"agreement": 0.5})) | {"measured_by": "first", "commit": "abc"},
        asdict(measurement(row="alone", others={}, goal=1.5)) | {"measured_by": "second", "commit": "abc"},
        asdict(measurement(row="free", others={}, ours=[1.0])) | {"measured_by": "second", "commit": "def"},
    ]
    file = tmp_path / "here.json"
    file.write_text(json.dumps({"machine": HERE, "results": {entry["row"]: entry for entry in entries}}))
    text = speed_table.write(file, ["first", "second", "third", "fourth"])
    assert text == file.with_suffix(".md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert rows[2:] == [
        ["work", "2 s", "fast", "4", "2.00", "≥ 2", "yes"],
        ["alone", "2 s", "–", "", "–", "≤ 1.5 s", "no"],
        ["free", "1 s", "–", "", "–", "–", "–"],
    ]
    words = " ".join(text.split())
    assert "Not measured: third, fourth." in words and "Commit: abc, def." in words
    assert "work: it. slow 8; fast 4; agreement: 0.5; 3 repeats." in words
    assert "free: it. 1 repeat." in words


def test_rows_of_another_version_of_pytorch_are_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.__main__.RESULTS", tmp_path)
    monkeypatch.setattr("benchmarks.__main__._commit", lambda: "abc")

    def rows_after(row: str, torch_version: str) -> set[str]:
        monkeypatch.setattr(machine, "described", lambda: HERE | {"torch": torch_version})
        monkeypatch.setitem(ROWS, "mssim", lambda: iter([measurement(row=row)]))
        measure("mssim")
        return set(json.loads((tmp_path / "a-processor-2-cores.json").read_text())["results"])

    assert rows_after("first", "2") == {"first"}
    assert rows_after("second", "2") == {"first", "second"}
    assert rows_after("third", "3") == {"third"}


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_the_committed_table_is_that_of_the_committed_numbers(file, tmp_path):
    copy = tmp_path / file.name
    copy.write_text(file.read_text("utf-8"), "utf-8")
    assert speed_table.write(copy, list(ROWS)) == file.with_suffix(".md").read_text("utf-8")


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_every_committed_row_can_still_be_measured(file):
    entries = json.loads(file.read_text("utf-8"))["results"].values()
    assert {entry["measured_by"] for entry in entries} <= set(ROWS)


def test_a_machine_is_named_by_its_processor_and_cores():
    here = {"cpu": "Intel(R) Xeon(R) Processor", "cores": 2, "gpu": "none"}
    assert machine.slug(here) == "intel-xeon-2-cores"
    assert machine.slug(here | {"gpu": "NVIDIA H200"}) == "intel-xeon-2-cores-nvidia-h200"
    assert {"cpu", "cores", "gpu", "torch"} <= set(machine.described())


def test_processors_of_one_name_are_told_apart():
    first = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD  EPYC\nflags\t\t: fpu vme\n"
    assert machine.processor(f"{first}\n{first.replace('17', '1')}") == "AMD EPYC (family 25, model 17)"
    assert machine.slug({"cpu": "AMD EPYC (family 25, model 17)", "cores": 2, "gpu": "none"}) == (
        "amd-epyc-family-25-model-17-2-cores"
    )
    assert machine.processor("processor\t: 0\nBogoMIPS\t: 50.00\n") == machine.processor("") == ""


def test_the_workload_is_bundled_faces_of_all_persons_in_turn():
    pixels, classes = bundled(2 * PERSONS)
    assert pixels.shape == (60, 3, 218, 178) and pixels.dtype == torch.uint8
    assert classes.tolist() == [*range(PERSONS), *range(PERSONS)]
    assert len({image.numpy().tobytes() for image in pixels}) == 60

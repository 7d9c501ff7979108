"""What the benchmarks count and conclude; no time is tested."""

import json
from dataclasses import asdict

import pytest
import torch
from torch import nn

from benchmarks import machine, table
from benchmarks.__main__ import CPU, GPU
from benchmarks.chip import Work
from benchmarks.subjects import PERSONS, bundled
from benchmarks.timing import Result, side_by_side
from pfgvm.attacks.common.gradient import loss_gradient
from tests.project import ROOT

RESULTS = sorted((ROOT / "benchmarks/results").glob("*.json"))


def result(**changed) -> Result:
    others = {"slow": [9.0, 8.0, 7.0], "quick": [4.0, 100.0, 3.0]}
    return Result(**{"row": "work", "what": "it", "unit": "s", "ours": [1.0, 2.0, 50.0], "others": others} | changed)


def test_the_goal_is_held_against_the_quickest_by_median():
    assert result().best == "quick" and result().ratio == 2
    assert result().reached is None
    assert result(goal=2).reached and not result(goal=2.1).reached
    assert result(others={}, goal=2).reached and not result(others={}, goal=1.9).reached


def test_every_task_takes_its_turn_and_the_first_round_is_not_counted():
    turns = []
    tasks = {name: (lambda name=name: turns.append(name)) for name in "ab"}
    times = side_by_side(tasks, 3, 1)
    assert turns == list("abababab")
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3}


def test_the_table_names_what_was_not_measured(tmp_path):
    entries = [
        asdict(result(goal=2, checks={"agreement": 0.5})) | {"measured_by": "first"},
        asdict(result(row="alone", others={}, goal=1.5)) | {"measured_by": "second"},
    ]
    here = {"cpu": "a processor", "cores": 2, "gpu": "none", "torch": "2"}
    file = tmp_path / "here.json"
    file.write_text(json.dumps({"machine": here, "results": {entry["row"]: entry for entry in entries}}))
    text = table.write(file, ["first", "second", "third", "fourth"])
    assert text == file.with_suffix(".md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert rows[2:] == [
        ["work", "2 s", "quick", "4", "2.00", "≥ 2", "yes"],
        ["alone", "2 s", "–", "", "–", "≤ 1.5 s", "no"],
    ]
    assert "Not measured: third, fourth." in text
    assert "slow 8; quick 4; agreement: 0.5 (3 repeats)" in text


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_the_committed_table_is_that_of_the_committed_numbers(file, tmp_path):
    copy = tmp_path / file.name
    copy.write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    assert table.write(copy, list(CPU | GPU)) == file.with_suffix(".md").read_text(encoding="utf-8")


def test_a_machine_is_named_by_its_processor_and_cores():
    here = {"cpu": "Intel(R) Xeon(R) Processor", "cores": 2, "gpu": "none"}
    assert machine.slug(here) == "intel-xeon-2-cores"
    assert machine.slug(here | {"gpu": "NVIDIA H200"}) == "intel-xeon-2-cores-nvidia-h200"
    assert {"cpu", "cores", "gpu", "torch"} <= set(machine.described())


def test_work_is_what_operations_compute_read_and_write():
    values = torch.ones(100, 50)
    with Work() as work:
        nn.functional.relu(values)
        flat = values.view(-1)  # moves nothing
    assert (work.flops, work.bytes) == (0, 2 * flat.nbytes)


def test_the_work_of_a_gradient_is_that_of_its_convolutions_and_products():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 64, 5)).requires_grad_(False)
    with Work() as work:
        loss_gradient(model, torch.rand(2, 3, 8, 8), torch.tensor([0, 1]))
    convolution, product = 2 * 2 * 64 * 4 * 27, 2 * 2 * 256 * 5
    assert work.flops == 2 * (convolution + product)  # there and back
    assert work.bytes > 4 * 2 * (2 * 3 * 64 + 2 * 4 * 64)


def test_the_subjects_are_bundled_faces_of_all_persons_in_turn():
    pixels, classes = bundled(2 * PERSONS)
    assert pixels.shape == (60, 3, 218, 178) and pixels.dtype == torch.uint8
    assert classes.tolist() == [*range(PERSONS), *range(PERSONS)]
    assert len({image.numpy().tobytes() for image in pixels}) == 60

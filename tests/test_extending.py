"""A method, a metric and a face descriptor, added by the steps of CONTRIBUTING.md only, run in the pipelines."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from tests.project import Project

# Slow fixtures: only one worker builds them.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("extending")]

METHOD = '''"""Brighten every pixel."""

from torch import Tensor

from pfgvm.attacks.common.context import Context


def toy(images: Tensor, *, amount: float) -> Tensor:
    """`images` plus `amount`, clipped to [0, 1]."""
    return (images + amount).clamp(0, 1)


def parameters(settings, model):
    return {"amount": settings.toy.amount}


def deidentify(context: Context, *, amount: float) -> Tensor:
    return toy(context.images, amount=amount)
'''
SECTION = '''class Toy(Section):
    """Brightening."""

    amount: PositiveFloat


class Attack(Section):
'''
EVALUATION = "stages/evaluation/dvc.yaml"
SETS = "  - sets:\n"
METRIC = """METRICS = (
    Metric("l1", lambda x_adv, x: (x_adv - x).double().flatten(1).abs().sum(1), ("", "L1"), 1, smaller_is_better=True),
"""
DESCRIPTOR = '''"""The mean colour of an image."""

from torch import nn


class Toy(nn.Sequential):
    features = 3


def build(image_size):
    return Toy(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def load(image_size, weights):
    return build(image_size)
'''


@pytest.fixture(scope="module")
def extended(built: Project):
    """The built project with an additional method, metric and descriptor, and their outputs."""

    def write(name: str, text: str) -> None:
        (built.folder / name).write_text(text, "utf-8")

    write("pfgvm/attacks/methods/toy.py", METHOD)
    built.edit("pfgvm/settings.py", "class Attack(Section):\n", SECTION)
    built.edit("pfgvm/settings.py", "    p_fgvm_noise: PFGVMNoise\n", "    p_fgvm_noise: PFGVMNoise\n    toy: Toy\n")
    built.edit("params.yaml", "  i_fgvm:\n", "  toy: {amount: 0.1}\n  i_fgvm:\n")
    built.edit("pfgvm/methods.py", "METHODS = (\n", 'METHODS = (\n    Method("toy", "Toy", "conventional"),\n')
    line = "      any-toy: {set: any/toy, method: toy, models: data/models, settings: attack.toy}\n"
    built.edit(EVALUATION, SETS, SETS + line)
    built.edit("pfgvm/evaluation/metrics.py", "METRICS = (\n", METRIC)
    write("pfgvm/models/toy_descriptor.py", DESCRIPTOR)
    built.edit(
        "pfgvm/models/descriptors.py",
        "DESCRIPTORS = {\n",
        'DESCRIPTORS = {\n    "toy": Descriptor("Toy", "mean colour", "pfgvm.models.toy_descriptor"),\n',
    )
    built.set(**{"train.B.descriptor": "toy", "train.B.freeze_descriptor": False})
    # Any file serves as weights: the stage `settings` would reject those of another descriptor.
    (built.folder / "toy_weights").write_text("none are needed")
    built.set(**{"train.B.weights": "toy_weights"})
    built.dvc("repro", f"{EVALUATION}:score@any-toy", f"{EVALUATION}:evaluate@any-toy")
    # Tables of the new method alone, to save the time of the others' scores.
    built.stage("scores", "--scores", "data/evaluation/scores/any/toy.csv", "--out", "data/toy/scores.csv")
    made_from = ("--split", "data/split.csv", "--models", "data/models", "--paper", "reports/paper.yaml")
    built.stage("tables", "--scores", "data/toy/scores.csv", *made_from, "--out", "data/toy")
    evaluated = ("--evaluated", "data/evaluation/evaluated", "--split", "data/split.csv")
    built.stage("evaluation.quality", *evaluated, "--out", "data/toy/quality.csv")
    yield built
    built.restore()
    shutil.rmtree(built.folder / "data/toy")


def test_a_method_of_the_evaluation_is_attacked_scored_and_evaluated(extended):
    listed = extended.dvc("stage", "list", EVALUATION, "--name-only")
    for stage in ("attack", "score", "evaluate"):
        assert f"{stage}@any-toy" in listed
    images = np.load(extended.folder / "data/evaluation/adversarial/any/toy.npy")
    assert set(images["method"]) == {"toy"} and images["pixels"].shape == (6, 3, 48, 40)
    quality = pd.read_csv(extended.folder / "data/toy/quality.csv")
    assert set(zip(quality["model"], quality["method"], strict=True)) == {("A", "Toy"), ("B", "Toy")}


def test_the_new_metric_is_a_column_of_the_scores(extended):
    scores = pd.read_csv(extended.folder / "data/evaluation/scores/any/toy.csv")
    assert list(scores)[-1] == "l1" and set(scores["model"]) == {"A", "B"}
    floats = scores[scores["pixels"] == "float"]
    # Brightened by a tenth, less where a pixel was nearly white.
    assert floats["linf"].to_numpy() == pytest.approx(0.1, abs=1e-6)
    assert (floats["l1"] <= 0.1 * 3 * 48 * 40 + 1e-3).all() and (floats["l1"] > 100).all()


def test_method_and_metric_stand_in_the_tables(extended):
    table3 = pd.read_csv(extended.folder / "data/toy/table3.csv")
    assert list(table3)[-1] == "l1" and set(table3["method"]) == {"Toy"}
    full = (extended.folder / "data/toy/table3.md").read_text("utf-8").split("Table 3 in full")[1]
    assert "| L1 |" in " ".join(full.split()) and "| Toy" in full
    assert "l1" in json.loads((extended.folder / "data/toy/metrics.json").read_text())["A"]["Toy"]


def test_model_b_uses_the_new_descriptor(extended):
    record = json.loads((extended.folder / "data/models/B/training.json").read_text())
    assert record["descriptor"] == "toy" and record["layers"][0]["layer"] == "mean colour"
    assert load_file(extended.folder / "data/models/B/model.safetensors")["head.fc1.weight"].shape == (256, 3)
    assert "Toy" in (extended.folder / "data/toy/table4.md").read_text("utf-8")

"""The pipeline for real, end to end, in a copy of the project: what is built, what reruns, what is refused."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from pfgvm.models.vgg_face import VGGFace
from tests.project import stages_run

MODELS = ("A", "B")
P_FGVM_AND_AFTER = {
    f"{stage}@{model}{suffix}"
    for model in MODELS
    for stage, suffix in [("p_fgvm", ""), ("noise", ""), ("random", "")]
    + [("score", f"-{method}") for method in ("p_fgvm", "noise", "random")]
} | {"settings", "scores", "report"}


def test_tables_keep_their_contract(built):
    scores = pd.read_csv(built.folder / "data/scores.csv", dtype=str)
    assert list(scores) == (
        "image,person,split,model,method,pixels,target,predicted_clean,predicted,l2,linf,mssim,mssim_legacy".split(",")
    )
    # 3 persons x 2 images, of which noise takes 2; two models, two pixel formats.
    assert scores.groupby("method").size().to_dict() == {
        "P-FGVM": 24, "I-FGVM": 24, "I-FGSM": 24, "Random (equal L2)": 24, "P-FGVM (noise)": 8
    }  # fmt: skip
    assert (scores["target"] != scores["person"]).all()
    split = pd.read_csv(built.folder / "data/split.csv", dtype=str)
    assert split["split"].value_counts().to_dict() == {"train": 15, "validation": 3, "test": 3}
    table3 = pd.read_csv(built.folder / "reports/table3.csv")
    assert len(table3) == 20
    table4 = pd.read_csv(built.folder / "reports/table4.csv")
    assert list(table4["model"]) == list(MODELS)
    assert set(table4["dataset"]) == {"synthetic"}
    metrics = json.loads((built.folder / "reports/metrics.json").read_text())
    assert set(metrics) == set(MODELS)


def test_one_image_has_one_target_whatever_the_method(built):
    scores = pd.read_csv(built.folder / "data/scores.csv", dtype=str)
    assert (scores.groupby(["image", "model"])["target"].nunique() == 1).all()


def test_the_control_is_as_far_away_as_p_fgvm(built):
    scores = pd.read_csv(built.folder / "data/scores.csv")
    scores = scores[scores["pixels"] == "float"].pivot(index=["model", "image"], columns="method", values="l2")
    assert scores["Random (equal L2)"].to_numpy() == pytest.approx(scores["P-FGVM"].to_numpy(), rel=1e-5)


def test_a_second_run_does_nothing(built):
    output = built.dvc("repro")
    assert stages_run(output) == set()
    assert "up to date" in output
    assert built.dvc("status").strip() == "Data and pipelines are up to date."


def test_a_second_making_gives_the_same_bytes(built):
    before = (built.folder / "dvc.lock").read_bytes()
    again = ["select", "split", "train@A", "train@B", "noise@B", "random@A", "score@A-p_fgvm", "scores", "report"]
    assert stages_run(built.dvc("repro", "--force", "--single-item", *again)) == set(again)
    assert (built.folder / "dvc.lock").read_bytes() == before


def test_a_new_lambda_reruns_p_fgvm_and_what_follows(built):
    output = built.dvc("exp", "run", "-S", "attack.lambda=0.5")
    assert stages_run(output) == P_FGVM_AND_AFTER
    built.restore()


def test_an_edited_equation_reruns_its_attack_alone(built):
    built.edit("pfgvm/attacks/i_fgsm.py", "α * gradient.sign()", "0.5 * α * gradient.sign()")
    output = built.dvc("repro")
    expected = {f"{stage}@{model}" for model in MODELS for stage in ("i_fgsm",)}
    expected |= {f"score@{model}-i_fgsm" for model in MODELS} | {"scores", "report"}
    assert stages_run(output) == expected
    built.restore()


@pytest.mark.parametrize("override", ["+attack.lamda=0.3", "attack.lambda=abc", "attack.i_fgsm.epsilon=-1"])
def test_a_wrong_setting_stops_the_run_before_anything_else(built, override):
    before = (built.folder / "reports/table3.csv").read_bytes()
    output = built.dvc("exp", "run", "-S", override, succeeds=False)
    assert stages_run(output) == {"settings"}
    assert (
        f"error: params.yaml: {'unknown ' if '+' in override else ''}setting {override.strip('+').split('=')[0]}"
        in output
    )
    assert (built.folder / "reports/table3.csv").read_bytes() == before
    built.restore()


def test_model_b_trains_on_vgg_face_and_past_its_descriptor(built):
    weights = built.folder / "vgg_face_dag.pth"
    torch.manual_seed(0)
    convolutions = VGGFace().state_dict()
    torch.save(convolutions, weights)
    built.set(**{"train.B.descriptor": "vgg_face", "train.B.weights": str(weights), "train.B.freeze_descriptor": False})
    faces = ("--faces", "data/faces.zip", "--split", "data/split.csv")
    built.stage("train", "--model", "B", *faces, "--out", "data/vgg")
    facts = json.loads((built.folder / "data/vgg/training.json").read_text())
    assert (facts["descriptor"], facts["frozen"]) == ("vgg_face", False)
    assert facts["descriptor_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    trained = load_file(built.folder / "data/vgg/model.safetensors")
    assert not torch.equal(trained["descriptor.vgg_face.conv5_3.weight"], convolutions["conv5_3.weight"])
    built.stage("i_fgsm", "--model", "data/vgg", *faces, "--out", "data/vgg/i_fgsm.npy")
    assert len(np.load(built.folder / "data/vgg/i_fgsm.npy")) == 6
    built.restore()


def test_a_stage_that_fails_leaves_nothing_behind(built):
    weights = built.folder / "weights.pth"
    weights.write_text("no weights")
    built.set(**{"train.B.descriptor": "vgg_face", "train.B.weights": str(weights)})
    faces = ("--faces", "data/faces.zip", "--split", "data/split.csv")
    output = built.stage("train", "--model", "B", *faces, "--out", "data/broken", succeeds=False)
    assert output.startswith(f"error: {weights}: is no plain PyTorch weights file")
    assert not (built.folder / "data/broken").exists()
    built.restore()

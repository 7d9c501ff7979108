"""The paper's pipeline, end to end, in a copy of the project: outputs, reruns and errors."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from pfgvm.models.installed_weights import dlib_weights
from pfgvm.models.vgg_face import VGGFace
from tests.project import stages_run

MODELS = ("A", "B")
REPORT = {"scores", "tables", "figures", "pictures", "page"}


def cells(*stages: str) -> set[str]:
    """The stages of both models: `stages`, with {} for the model."""
    return {stage.format(model) for stage in stages for model in MODELS}


P_FGVM_AND_AFTER = REPORT | cells(
    "attack@{}-p_fgvm", "noise@{}", "control@{}", "trajectory@{}", "score@{}-p_fgvm", "score@{}-p_fgvm_noise",
    "score@{}-random_equal_l2",
)  # fmt: skip


def test_tables_keep_their_contract(built):
    scores = pd.read_csv(built.folder / "data/scores.csv", dtype=str)
    agreed = "image,person,split,model,method,pixels,target,predicted_clean,predicted,l2,linf,mssim,mssim_legacy"
    # A contract with other code: new columns are added at the end.
    assert list(scores) == [*agreed.split(","), "confidence_clean", "confidence"]
    # 3 identities x 2 images, of which the noise start takes 2; two models, two pixel formats.
    assert scores.groupby("method").size().to_dict() == {
        "P-FGVM": 24, "I-FGVM": 24, "I-FGSM": 24, "Random (equal L2)": 24, "P-FGVM (noise)": 8,
    }  # fmt: skip
    assert (scores["target"] != scores["person"]).all()
    # An image has the same target for all methods.
    assert (scores.groupby(["image", "model"])["target"].nunique() == 1).all()
    split = pd.read_csv(built.folder / "data/split.csv", dtype=str)
    assert split["split"].value_counts().to_dict() == {"train": 15, "validation": 3, "test": 3}
    tables = {name: pd.read_csv(built.folder / f"reports/{name}.csv") for name in ("table3", "table4", "persons")}
    assert len(tables["table3"]) == 20
    assert list(tables["table4"]["model"]) == list(MODELS)
    assert set(tables["table4"]["dataset"]) == {"synthetic"}
    assert list(tables["persons"])[:6] == ["model", "method", "person", "images", "l2", "mr"]
    metrics = json.loads((built.folder / "reports/metrics.json").read_text())
    assert set(metrics) == set(MODELS)


def test_the_control_is_as_far_away_as_p_fgvm(built):
    scores = pd.read_csv(built.folder / "data/scores.csv")
    scores = scores[scores["pixels"] == "float"].pivot(index=["model", "image"], columns="method", values="l2")
    assert scores["Random (equal L2)"].to_numpy() == pytest.approx(scores["P-FGVM"].to_numpy(), rel=1e-5)


def test_a_second_run_does_nothing(built):
    output = built.dvc("repro")
    assert stages_run(output) == set()
    assert "up to date" in output


@pytest.mark.long
def test_a_second_making_gives_the_same_bytes(built):
    before = (built.folder / "dvc.lock").read_bytes()
    again = ["select", "split", "train@A", "train@B", "noise@B", "control@A"]
    again += ["trajectory@A", "score@A-p_fgvm", "scores", "tables", "figures", "pictures", "page"]
    assert stages_run(built.dvc("repro", "--force", "--single-item", *again)) == set(again)
    assert (built.folder / "dvc.lock").read_bytes() == before


@pytest.mark.long
def test_a_new_lambda_reruns_p_fgvm_and_what_follows_and_evaluates_nothing(built):
    output = built.dvc("exp", "run", "-S", "attack.lambda=0.5")
    assert stages_run(output) == P_FGVM_AND_AFTER | {"settings"}
    built.restore()


@pytest.mark.long
def test_an_edited_equation_reruns_its_attack_alone(built):
    built.edit("pfgvm/attacks/methods/i_fgsm.py", "α * gradient(x_adv).sign()", "0.5 * α * gradient(x_adv).sign()")
    assert stages_run(built.dvc("repro")) == cells("attack@{}-i_fgsm", "score@{}-i_fgsm") | REPORT
    built.restore()


def test_an_edited_style_makes_the_page_alone(built):
    built.edit("reports/page/style.css", "\nbody {", "\nbody { color: red;")
    assert stages_run(built.dvc("repro")) == {"page"}
    assert "color: red;" in (built.folder / "reports/index.html").read_text("utf-8")
    built.restore()


def test_replaced_weights_make_their_model_stale(built):
    dlibs = dlib_weights()
    shutil.copy(dlibs, built.folder / "weights.dat")
    built.set(**{"train.B.weights": "weights.dat"})
    built.dvc("repro", "train@B")
    assert "train@B" not in built.dvc("status", "train@B")
    with open(built.folder / "weights.dat", "r+b") as file:
        file.seek(-1_000, os.SEEK_END)
        file.write(b"\0" * 4)
    status = built.dvc("status")
    assert "train@B" in status and "weights.dat" in status and "train@A" not in status
    built.restore()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("attack.lambda=abc", "setting attack.lambda"),
        ("+evaluation.parts=[curves]", "stages/evaluation/dvc.yaml:TABLE"),
    ],
)
def test_a_wrong_setting_stops_the_run_before_anything_else(built, override, words):
    before = (built.folder / "reports/table3.csv").read_bytes()
    output = built.dvc("exp", "run", "-S", override, succeeds=False)
    assert stages_run(output) == {"settings"}
    assert "error: params.yaml: setting " in output and words in output
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
    record = json.loads((built.folder / "data/vgg/training.json").read_text())
    assert (record["descriptor"], record["frozen"]) == ("vgg_face", False)
    assert record["descriptor_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    trained = load_file(built.folder / "data/vgg/model.safetensors")
    assert not torch.equal(trained["descriptor.vgg_face.conv5_3.weight"], convolutions["conv5_3.weight"])
    built.stage("attack", "--method", "i_fgsm", "--model", "data/vgg", *faces, "--out", "data/vgg/i_fgsm.npy")
    assert len(np.load(built.folder / "data/vgg/i_fgsm.npy")) == 6
    built.restore()


def test_a_stage_that_fails_leaves_nothing_behind(built):
    weights = built.folder / "weights.pth"
    weights.write_text("no weights")
    built.set(**{"train.B.descriptor": "vgg_face", "train.B.weights": str(weights)})
    faces = ("--faces", "data/faces.zip", "--split", "data/split.csv")
    output = built.stage("train", "--model", "B", *faces, "--out", "data/broken", succeeds=False)
    assert output.startswith(f"error: {weights}: ")
    assert not (built.folder / "data/broken").exists()
    built.restore()


def test_no_two_rows_share_a_bar_of_dvcs_plots(built):
    [plot] = json.loads(built.dvc("plots", "show", "--json"))["data"]["reports/table3.csv"]
    encoding = plot["content"]["encoding"]
    told_apart = [channel["field"] for name, channel in encoding.items() if name != "x" and channel.get("field")]
    bars = [tuple(row[field] for field in told_apart) for row in plot["content"]["data"]["values"]]
    assert len(bars) == len(set(bars)) == 20


def test_a_killed_training_goes_on_to_the_same_bytes(built):
    """Killed, then run again with another number of threads."""

    def files(out: str) -> tuple[str, ...]:
        return ("--model", "A", "--faces", "data/faces.zip", "--split", "data/split.csv", "--out", f"data/{out}")

    built.set(**{"train.A.epochs": 40})
    built.stage("train", *files("unbroken"))
    checkpoint = built.folder / "data/.x.checkpoint"
    command = [sys.executable, "-m", "stages.train", *files("x")]
    training = subprocess.Popen(command, cwd=built.folder, env=built.environment, stderr=subprocess.DEVNULL)
    while not checkpoint.exists():
        assert training.poll() is None
        time.sleep(0.01)
    training.kill()
    training.wait()
    assert checkpoint.exists() and not (built.folder / "data/x").exists()

    built.stage("train", *files("x"), OMP_NUM_THREADS="2")
    assert not checkpoint.exists()
    unbroken, resumed = (
        {path.name: path.read_bytes() for path in (built.folder / "data" / out).iterdir()} for out in ("unbroken", "x")
    )
    for out in ("unbroken", "x"):
        shutil.rmtree(built.folder / "data" / out)
    assert unbroken == resumed and set(unbroken) == {"model.safetensors", "training.json", "history.csv"}
    built.restore()


def test_finished_batches_stay_valid_after_unrelated_edits(built):
    """After one shard, another method's setting and code, the settings' schema and the report are edited."""
    files = ("--model", "data/models/A", "--faces", "data/faces.zip", "--split", "data/split.csv")

    def batches(shard: str) -> list[str]:
        built.stage("attack", "--method", "p_fgvm", *files, "--out", "data/x.npy", "--shard", shard)
        return sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))

    folder = built.folder / "data/.x.npy.batches"
    [first] = batches("1-of-2")
    built.set(**{"attack.i_fgsm.epsilon": 0.5, "attack.p_fgvm_noise.std": 0.5})
    for name in ("attacks/methods/i_fgsm.py", "settings.py", "report/report_page.py"):
        with open(built.folder / "pfgvm" / name, "a") as file:
            file.write("\n# Edited.\n")
    key = first.split("/")[0]
    assert batches("2-of-2") == [f"{key}/0", f"{key}/1"]
    built.set(**{"attack.lambda": 0.5})
    assert len(batches("1-of-2")) == 3
    shutil.rmtree(folder)
    built.restore()

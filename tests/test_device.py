"""Devices: which one is chosen, and a run of everything that computes on one without float64."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from pfgvm.errors import InputError
from pfgvm.models.device import choose_device
from stages.common.face_archive import read_images
from tests.project import ROOT


@pytest.fixture
def machine_with(monkeypatch):
    """Simulates the available accelerators."""

    def pretend(cuda: bool, mps: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize("cuda, mps, chosen", [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_takes_the_quickest_device(cuda, mps, chosen, machine_with):
    machine_with(cuda, mps)
    assert choose_device("auto").type == chosen
    assert choose_device("cpu").type == "cpu"


def test_a_device_that_is_not_there_is_named(machine_with):
    machine_with(cuda=False, mps=False)
    with pytest.raises(InputError, match="device: cuda is not available"):
        choose_device("cuda")


# All stages that compute, by their programs, in one process.
WITHOUT_FLOAT64 = """
from pathlib import Path

import torch

from tests.without_float64 import DEVICE, Computes
from stages import attack, control, noise, score, train, trajectory
from stages.networks import computing

computing.choose_device = lambda name: DEVICE
data, out = Path("data"), Path("data/without_float64")
files = {"faces": data / "faces.zip", "split": data / "split.csv"}
with Computes():
    try:
        torch.ones(2, device=DEVICE).double()
    except TypeError:
        pass
    else:
        raise AssertionError("the device has float64")
    for model in "AB":
        trained, sets = data / "models" / model, out / model
        train.main(model=model, **files, out=out / "models" / model)
        for method in ("p_fgvm", "i_fgvm", "i_fgsm"):
            attack.main(method=method, model=trained, **files, out=sets / f"{method}.npy")
        noise.main(model=trained, **files, out=sets / "p_fgvm_noise.npy")
        control.main(attacked=sets / "p_fgvm.npy", model=trained, **files, out=sets / "random_equal_l2.npy")
        score.main(model=trained, **files, adversarial=sets / "p_fgvm.npy", out=out / f"{model}.csv")
        trajectory.main(model=trained, **files, out=out / f"{model}.npy")
    for method in OF_THE_EVALUATION:
        attack.main(method=method, model=data / "models", **files, out=out / "any" / f"{method}.npy")
"""
OF_THE_EVALUATION = (
    "p_fgvm_features",
    "p_fgvm_shape",
    "random_shape",
    "pixelation",
    "gaussian_blur",
    "masking",
    "k_same",
)


@pytest.mark.long
def test_the_pipeline_needs_no_float64_of_its_device(built):
    program = f"OF_THE_EVALUATION = {OF_THE_EVALUATION}\n{WITHOUT_FLOAT64}"
    environment = built.environment | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=built.folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    data, out = built.folder / "data", built.folder / "data/without_float64"
    for method in OF_THE_EVALUATION:
        files = ("--faces", "data/faces.zip", "--split", "data/split.csv", "--model", "data/models")
        built.stage("attack", "--method", method, *files, "--out", f"data/without_float64/cpu/{method}.npy")
    for folder, cpu in (("A", data / "adversarial/A"), ("B", data / "adversarial/B"), ("any", out / "cpu")):
        names = sorted(path.name for path in cpu.glob("*.npy"))
        assert names == sorted(path.name for path in (out / folder).glob("*.npy")) and len(names) >= 4
        for name in names:
            expected, actual = np.load(cpu / name), np.load(out / folder / name)
            assert np.array_equal(actual["target"], expected["target"])
            # Sums round differently there, which affects single pixels but not the L2 of an image.
            originals = read_images(data / "faces.zip", list(expected["image"]), (48, 40))
            l2 = [
                np.linalg.norm((made["pixels"] - originals).reshape(len(made), -1), axis=1)
                for made in (expected, actual)
            ]
            assert l2[1] == pytest.approx(l2[0], rel=0.01), name
    for model in "AB":
        assert '"device": "single"' in (out / "models" / model / "training.json").read_text()
        assert len((out / f"{model}.csv").read_text().splitlines()) == 13
    shutil.rmtree(out)

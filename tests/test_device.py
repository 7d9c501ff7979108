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
    """Pretends which accelerators there are."""

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
    with pytest.raises(InputError, match="device: cuda is not available on this machine; set device to auto or cpu"):
        choose_device("cuda")


# All stages that compute, by their programs, in one process.
WITHOUT_FLOAT64 = """
from pathlib import Path

import torch

from tests.without_float64 import DEVICE, Computes
from stages import attack, score, train, trajectory
from stages.common import computing

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
        trained = data / "models" / model
        train.main(model=model, **files, out=out / "models" / model)
        for method in ("p_fgvm", "i_fgvm", "i_fgsm", "p_fgvm_noise", "random_equal_l2", *OTHERS[model]):
            attack.main(method=method, model=trained, **files, out=out / model / f"{method}.npy")
        score.main(model=trained, **files, adversarial=out / model / "p_fgvm.npy", out=out / f"{model}.csv")
        trajectory.main(model=trained, **files, out=out / f"{model}.npy")
"""
# Of the evaluation, which are the same on either model.
OTHERS = {"A": ("p_fgvm_features", "pixelation", "gaussian_blur", "masking", "k_same"), "B": ()}


@pytest.mark.long
def test_the_pipeline_needs_no_float64_of_its_device(built):
    program = f"OTHERS = {OTHERS}\n{WITHOUT_FLOAT64}"
    environment = built.environment | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=built.folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    out = built.folder / "data/without_float64"
    for model in "AB":
        assert '"device": "single"' in (out / "models" / model / "training.json").read_text()
        for path in (built.folder / "data/adversarial" / model).glob("*.npy"):
            if (out / model / path.name).exists():
                expected, found = np.load(path), np.load(out / model / path.name)
                assert np.array_equal(found["target"], expected["target"])
                # Sums round otherwise there, which moves single pixels but not how far an image is moved.
                originals = read_images(built.folder / "data/faces.zip", list(expected["image"]), (48, 40))
                l2 = [
                    np.linalg.norm((made["pixels"] - originals).reshape(len(made), -1), axis=1)
                    for made in (expected, found)
                ]
                assert l2[1] == pytest.approx(l2[0], rel=0.01), path
        assert len((out / f"{model}.csv").read_text().splitlines()) == 13
    shutil.rmtree(out)

"""The pipeline as a whole: made anew, and with nothing to do."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from ruamel.yaml import YAML

from benchmarks.subjects import ROOT
from benchmarks.timing import Result
from pfgvm.descriptors.vgg_face import VGGFace

REPEATS = 5


def bundled_run() -> Iterator[Result]:
    """`dvc repro` of the committed state in a fresh clone; then with nothing to do, against DVC's own least."""
    with tempfile.TemporaryDirectory() as name:
        clone = _clone(Path(name) / "clone")
        yield Result(
            row="dvc repro, bundled faces, cpu",
            what="8 persons x 20 faces, 64 attacked; every stage",
            unit="s",
            ours=[_dvc(clone, "repro", "--force")],
            goal=360,
            checks={"peak memory of a stage, MB": _peak_mb()},
        )
        idle = Path(name) / "idle"
        shutil.copytree(clone, idle, symlinks=True)
        pipeline = YAML().load(idle / "dvc.yaml")
        for stage in pipeline["stages"].values():
            stage["cmd"] = "true"
        YAML().dump(pipeline, idle / "dvc.yaml")
        _dvc(idle, "commit", "--force")
        ours, status = [], []
        for _ in range(REPEATS):
            ours.append(_dvc(clone, "repro"))
            status.append(_dvc(idle, "status"))
        yield Result(
            row="dvc repro with nothing to do",
            what="against `dvc status` of the same stages, each doing nothing",
            unit="s",
            ours=ours,
            others={"dvc status": status},
            goal=1 / 1.2,
        )


def paper_on_gpu() -> Iterator[Result]:
    """The paper's scale on bundled faces and VGG-16 with random weights: for the time alone."""
    with tempfile.TemporaryDirectory() as name:
        clone = _clone(Path(name) / "clone")
        torch.save(VGGFace().state_dict(), clone / "random_weights.pth")
        settings = YAML().load(clone / "params.yaml")
        settings["device"] = "cuda"
        settings["data"]["image_size"] = [218, 178]
        settings["subset"] |= {"persons": 30, "images_per_person": 30}
        settings["train"]["B"] |= {"descriptor": "vgg_face", "weights": "random_weights.pth"}
        settings["attack"] |= {"images_per_person": None, "noise_images": None}
        YAML().dump(settings, clone / "params.yaml")
        _dvc(clone, "repro", "train@A", "train@B")
        yield Result(
            row="the paper after training, cuda",
            what="900 images of 178 x 218, A and VGG-16 with random weights: cells, scores and report",
            unit="s",
            ours=[_dvc(clone, "repro")],
            goal=120,
        )


def _clone(folder: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


def _peak_mb() -> float:
    """The peak resident memory of the largest process that this one has started, or that they have."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _dvc(folder: Path, *arguments: str) -> float:
    """Seconds that a command of DVC takes; its stages run in this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    start = time.perf_counter()
    command = [sys.executable, "-m", "dvc", *arguments]
    subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start

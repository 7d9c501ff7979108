"""The pipeline as a whole: made anew, and with nothing to do."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial, reduce
from operator import getitem
from pathlib import Path

import pandas as pd
import torch
from ruamel.yaml import YAML

from benchmarks.programs import megabytes
from benchmarks.subjects import ROOT
from benchmarks.timing import Result, side_by_side
from pfgvm.descriptors.vgg_face import VGGFace

REPEATS = 5
ATTACKS = ("p_fgvm", "i_fgvm", "i_fgsm", "noise")


def bundled_run() -> Iterator[Result]:
    """`dvc repro` of the committed state in a fresh clone; with nothing to do, against DVC's own least; in bf16."""
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
        tasks = {
            "ours": partial(_dvc, clone, "repro"),
            "dvc status": partial(_dvc, idle, "status"),
            "dvc repro": partial(_dvc, idle, "repro"),
        }
        times = side_by_side(tasks, REPEATS, 1)
        yield Result(
            row="dvc repro with nothing to do",
            what="against the same stages, each doing nothing",
            unit="s",
            ours=times.pop("ours"),
            others=times,
            goal=1 / 1.2,
        )
        yield _reduced(clone, "cpu", "bf16", "the attacked images of the bundled run, both models")


def paper_on_gpu() -> Iterator[Result]:
    """The paper's scale on bundled faces and VGG-16 with random weights: for the time alone."""
    with tempfile.TemporaryDirectory() as name:
        clone = _clone(Path(name) / "clone")
        torch.save(VGGFace().state_dict(), clone / "random_weights.pth")
        settings = {
            "device": "cuda",
            "data.image_size": [218, 178],
            "subset.persons": 30,
            "subset.images_per_person": 30,
            "train.B.descriptor": "vgg_face",
            "train.B.weights": "random_weights.pth",
            "attack.images_per_person": None,
            "attack.noise_images": None,
        }
        _set(clone, settings)
        _dvc(clone, "repro", "train@A", "train@B")
        yield Result(
            row="the paper after training, cuda",
            what="900 images of 178 x 218, A and VGG-16 with random weights: cells, scores and report",
            unit="s",
            ours=[_dvc(clone, "repro")],
            goal=120,
        )
        yield _reduced(clone, "cuda", "tf32", "900 images of 178 x 218, A and VGG-16 with random weights")


def _reduced(clone: Path, device: str, precision: str, what: str) -> Result:
    """The attacks of the finished run in `clone` once more, in float32 and in `precision`, and how Table 3 moves."""
    times, tables = {}, {}
    for arithmetic in ("float32", precision):
        _set(clone, {"attack.precision": arithmetic})
        times[arithmetic] = [_dvc(clone, "repro", "--force", "--single-item", *ATTACKS)]
        _dvc(clone, "repro")
        tables[arithmetic] = pd.read_csv(clone / "reports/table3.csv")
    full, rounded = tables["float32"], tables[precision]
    return Result(
        row=f"attacks in {precision}, {device}",
        what=f"{what}; every cell of Table 3 with its noise start",
        unit="s",
        ours=times.pop(precision),
        others=times,
        checks={
            "L2 over that in float32, at the most 1 ±": (rounded["l2"] / full["l2"] - 1).abs().max(),
            "MR less that in float32, at the most ±": (rounded["mr"] - full["mr"]).abs().max(),
        },
    )


def _clone(folder: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    return folder


def _set(clone: Path, settings: dict[str, object]) -> None:
    """Write `settings` (dotted keys) into the params.yaml of `clone`."""
    values = YAML().load(clone / "params.yaml")
    for key, value in settings.items():
        *sections, name = key.split(".")
        reduce(getitem, sections, values)[name] = value
    YAML().dump(values, clone / "params.yaml")


def _peak_mb() -> float:
    """The peak resident memory of the largest process that this one has started, or that they have."""
    return megabytes(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def _dvc(folder: Path, *arguments: str) -> float:
    """Seconds that a command of DVC takes; its stages run in this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    start = time.perf_counter()
    command = [sys.executable, "-m", "dvc", *arguments]
    subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start

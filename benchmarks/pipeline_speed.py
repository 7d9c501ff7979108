"""Both pipelines: from scratch, and the paper's with nothing to do."""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks.measurement import Measurement, side_by_side
from benchmarks.workloads import ROOT
from stages.common.program import read_settings


def bundled_run() -> Iterator[Measurement]:
    """Measure both pipelines of the committed state in a fresh clone, then the paper's again with nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        clone, idle = Path(folder, "clone"), Path(folder, "idle")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        start = time.perf_counter()
        stages = _stage_seconds(clone, "--force")
        subset = read_settings().subset
        yield Measurement(
            row="dvc repro, bundled faces, cpu",
            what=f"{subset.persons} identities x {subset.images_per_person} images; the longest stages of dvc.yaml",
            unit="s",
            ours=[time.perf_counter() - start],
            goal=480,
            checks={"peak memory of a stage, MB": _peak_mb()} | _longest(stages),
        )
        # Without its record, every stage of the evaluation runs, and none of the paper's.
        (clone / "stages/evaluation/dvc.lock").unlink()
        start = time.perf_counter()
        stages = _stage_seconds(clone, "stages/evaluation/dvc.yaml")
        yield Measurement(
            row="evaluation, bundled faces, cpu",
            what="after the run above; the three longest of the stages of stages/evaluation/dvc.yaml",
            unit="s",
            ours=[time.perf_counter() - start],
            goal=1200,
            checks=_longest(stages),
        )
        _write_idle_stages(clone, idle)
        tasks = {"ours": lambda: _repro(clone), "DVC on stages that do nothing": lambda: _repro(idle)}
        times = side_by_side(tasks, 5, 1)
        yield Measurement(
            row="dvc repro with nothing to do",
            what="after the run above, and the same stages with commands that do nothing",
            unit="s",
            ours=times.pop("ours"),
            others=times,
            goal=0.95,
        )


def _command(*options: str) -> list[str]:
    return [sys.executable, "-m", "dvc", "repro", *options]


def _environment() -> dict[str, str]:
    # Stage commands call `python`. Unbuffered, since the lines' times are measured.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1"}


def _repro(folder: Path) -> None:
    """Run `dvc repro` in `folder`, its stages in this environment."""
    subprocess.run(_command(), cwd=folder, env=_environment(), check=True, stdout=subprocess.DEVNULL)


def _stage_seconds(folder: Path, *options: str) -> dict[str, float]:
    """Run `dvc repro` with `options` in `folder`; returns each stage's seconds, from its start to that of the next."""
    command = _command(*options)
    with subprocess.Popen(command, cwd=folder, env=_environment(), stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        matches = ((re.match(r"Running stage '([^']+)'", line), time.perf_counter()) for line in run.stdout)
        starts = [(started[1], when) for started, when in matches if started]
    if run.returncode:
        raise subprocess.CalledProcessError(run.returncode, command)
    ends = [*(start for _, start in starts[1:]), time.perf_counter()]
    return {name: end - start for (name, start), end in zip(starts, ends, strict=True)}


def _longest(stages: dict[str, float]) -> dict[str, float]:
    """The three longest stages, with their seconds."""
    return {f"{name}, s": stages[name] for name in sorted(stages, key=lambda name: -stages[name])[:3]}


def _write_idle_stages(clone: Path, idle: Path) -> None:
    """Copy `clone` to `idle`, with stages of the same files whose commands do nothing."""
    shutil.copytree(clone, idle, symlinks=True)
    yaml = YAML()
    pipeline = yaml.load(idle / "dvc.yaml")
    for stage in pipeline["stages"].values():
        stage.get("do", stage)["cmd"] = "true"
    yaml.dump(pipeline, idle / "dvc.yaml")
    subprocess.run([sys.executable, "-m", "dvc", "commit", "--force", "--quiet", "dvc.yaml"], cwd=idle, check=True)


def _peak_mb() -> float:
    """The peak resident memory of the largest descendant process, in megabytes."""
    # Linux reports kilobytes, macOS bytes.
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)

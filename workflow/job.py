"""Run one stage, or one shard of it, as one job: python workflow/job.py p_fgvm@A [--shard 2-of-4]."""

import argparse
import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pipeline
from dvc.repo import Repo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage")
    parser.add_argument("--shard", default="1-of-1")
    arguments = parser.parse_args()
    whole = arguments.shard == "1-of-1"
    stage = Repo().stage.load_one(name=arguments.stage)
    # An earlier stage ran again and wrote what it had written before.
    if pipeline.lasts(stage):
        print(f"{stage.name}: nothing that it reads has changed")
        if whole:
            pipeline.put_back(stage)
        return
    dependencies = pipeline.contents(stage.deps)
    command = stage.cmd if whole else f"{stage.cmd} --shard {arguments.shard}"
    with one_gpu(stage.meta.get("gpus", 0)) as environment:
        status = subprocess.run(command, shell=True, env=os.environ | environment).returncode
    if status:
        sys.exit(status)
    if whole:
        pipeline.record(stage, dependencies)


@contextlib.contextmanager
def one_gpu(wanted: int) -> Iterator[dict[str, str]]:
    """The variable that gives this job a GPU of its own, waiting for one if need be.

    Nothing to do for a job that wants none, where a scheduler gave one, and on a machine without.
    """
    if not wanted or "CUDA_VISIBLE_DEVICES" in os.environ or not (count := gpus()):
        yield {}
        return
    # A machine's own: several may share this folder.
    folder = Path(".snakemake/gpus") / socket.gethostname()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(folder / str(index), "w")) for index in range(count)]
        yield {"CUDA_VISIBLE_DEVICES": str(_claim(files))}


def _claim(files: list[TextIO]) -> int:
    """Lock one of `files`, the first that is free, or wait for the first; the kernel gives a killed job's lock back."""
    for index, file in enumerate(files):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return index
    fcntl.flock(files[0], fcntl.LOCK_EX)
    return 0


def gpus() -> int:
    """How many NVIDIA GPUs the machine has."""
    if not shutil.which("nvidia-smi"):
        return 0
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


if __name__ == "__main__":
    main()

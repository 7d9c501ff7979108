"""Run one stage, or one shard of it, as a job: python workflow/job.py [FILE:]attack@A-p_fgvm [--shard 2-of-4]."""

import argparse
import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pipeline
from dvc.repo import Repo


def main() -> None:
    """Run the stage named on the command line, unless it is up to date, and record its end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", help="address of the stage in DVC")
    parser.add_argument("--shard", default="1-of-1", help="shard of the stage's output")
    arguments = parser.parse_args()
    whole = arguments.shard == "1-of-1"
    file, _, name = arguments.stage.rpartition(":")
    stage = Repo().stage.load_one(file or None, name)
    # Upstream stages may have run again and written the same files.
    if pipeline.is_up_to_date(stage):
        print(f"{stage.name}: up to date")
        if whole:
            pipeline.checkout(stage)
        return
    dependencies = pipeline.hashes(stage.deps)
    command = stage.cmd if whole else f"{stage.cmd} --shard {arguments.shard}"
    with one_gpu(stage.meta.get("gpus", 0)) as environment:
        status = subprocess.run(command, shell=True, env=os.environ | environment).returncode
    if status:
        sys.exit(status)
    if whole:
        pipeline.record(stage, dependencies)


@contextlib.contextmanager
def one_gpu(wanted: int) -> Iterator[dict[str, str]]:
    """Yield the environment variable that assigns a GPU to this job, after waiting for a free one.

    Empty for a job without a GPU, after a scheduler's assignment, and on a machine without GPUs.
    """
    if not wanted or "CUDA_VISIBLE_DEVICES" in os.environ or not (count := gpus()):
        yield {}
        return
    # One folder per machine: several machines may share the project's folder.
    folder = Path(".snakemake/gpus") / socket.gethostname()
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(folder / str(index), "w")) for index in range(count)]
        yield {"CUDA_VISIBLE_DEVICES": str(_claim(files))}


def _claim(files: list[TextIO]) -> int:
    """Lock one of `files` as soon as one is free; returns its index. The kernel releases a killed job's lock."""
    while True:
        for index, file in enumerate(files):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return index
        time.sleep(1)


def gpus() -> int:
    """Count the machine's NVIDIA GPUs."""
    if not shutil.which("nvidia-smi"):
        return 0
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


if __name__ == "__main__":
    main()

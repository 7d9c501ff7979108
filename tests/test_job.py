"""Jobs: the assignment of GPUs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT

sys.path.insert(0, str(ROOT / "workflow"))
import job


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose nvidia-smi lists two GPUs."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: one (UUID: a)'\necho '  MIG 1g.10gb'\necho 'GPU 1: two (UUID: b)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_jobs_at_once_get_different_gpus(two_gpus):
    with job.one_gpu(1) as first, job.one_gpu(1) as second:
        assert (first, second) == ({"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"})
    with job.one_gpu(1) as third:
        assert third == {"CUDA_VISIBLE_DEVICES": "0"}


def test_a_job_without_a_free_gpu_waits(two_gpus):
    waiting = [sys.executable, "-c", "import job\nwith job.one_gpu(1) as gpu: print(gpu)"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    with job.one_gpu(1):
        with job.one_gpu(1):
            third = subprocess.Popen(waiting, env=environment, stdout=subprocess.PIPE, text=True)
            with pytest.raises(subprocess.TimeoutExpired):
                third.wait(timeout=4)
        # The second GPU is free, the first is not.
        assert third.communicate(timeout=60)[0] == "{'CUDA_VISIBLE_DEVICES': '1'}\n"


def test_a_schedulers_choice_stands(two_gpus, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    with job.one_gpu(1) as chosen:
        assert chosen == {}


def test_a_job_that_wants_none_takes_none(two_gpus):
    with job.one_gpu(0) as chosen:
        assert chosen == {}


def test_a_machine_without_gpus(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with job.one_gpu(1) as chosen:
        assert chosen == {}

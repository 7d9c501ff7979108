"""Fixtures and hooks of all tests."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from tests.project import Project
from tests.warm import WarmPython


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several workers, one builds the project first while the others run tests that do not need it.

    Groups come first, so that no worker is left with a long group at the end.
    """
    waiting = {_unit(item) for item in items if "built_once" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: (_unit(item) in waiting, _unit(item) == item.nodeid))
    builds = [item for item in items if _unit(item) in waiting and _unit(item) == item.nodeid][:1]
    items[:] = [*builds, *(item for item in items if item not in builds)]


def _unit(item: pytest.Item) -> str:
    """A worker's unit of work: a group of tests, or one test."""
    group = item.get_closest_marker("xdist_group")
    return group.args[0] if group else item.nodeid


# Variables that pytest and PyTorch set during the run.
OTHERS = ("PYTEST_", "TORCHINDUCTOR_")


def process_state() -> dict[str, Any]:
    """The process-wide state, which a library must not change."""
    cudnn = torch.backends.cudnn
    return {
        "environment": {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)},
        "folder": os.getcwd(),
        "threads": torch.get_num_threads(),
        "type": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "determinism": torch.get_deterministic_debug_mode(),
        "memory that is filled": torch.utils.deterministic.fill_uninitialized_memory,
        "cuDNN": (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32),
        "matrix products": (torch.get_float32_matmul_precision(), torch.backends.cuda.matmul.allow_tf32),
    }


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """Fail a test that changes the process-wide state; the setup of programs is undone here."""
    before = process_state()
    yield
    after = process_state()
    if after["determinism"] != before["determinism"]:
        # A program ran stages.networks.computing.configure_device.
        os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
        torch.set_num_threads(before["threads"])
        torch.set_deterministic_debug_mode(before["determinism"])
        torch.utils.deterministic.fill_uninitialized_memory = before["memory that is filled"]
        torch.backends.cudnn.benchmark = before["cuDNN"][1]
        torch.backends.cudnn.allow_tf32 = before["cuDNN"][3]
        after = process_state()
    differing = [name for name in before if after[name] != before[name]]
    assert differing == [], [(before[name], after[name]) for name in differing]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread: for small tensors, waiting for other threads can take a hundred times longer than the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def warm_python() -> Iterator[None]:
    """Start the programs of projects quickly, on systems that support it (Linux)."""
    if not hasattr(os, "pidfd_open"):
        yield
        return
    # In a short path: the length of a socket's name is limited.
    with tempfile.TemporaryDirectory() as folder:
        warm = WarmPython(Path(folder))
        Project.pythons = warm.bin
        yield
        Project.pythons = Path(sys.executable).parent
        warm.stop()


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory, worker_id: str, warm_python: None) -> Project:
    """The paper's pipeline at a tiny scale, built and committed by the first worker; only to be copied."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder if worker_id == "master" else folder.parent
    with FileLock(shared / "built.lock"):
        if not (shared / "built").exists():
            project = Project.made(tmp_path_factory.mktemp("project"))
            project.build("dvc.yaml")
            project.commit()
            project.folder.rename(shared / "built")
    return Project(shared / "built")


@pytest.fixture(scope="session")
def built(built_once: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """This worker's copy of the paper's pipeline, built and committed; a test that changes it restores it."""
    return built_once.copied(tmp_path_factory.getbasetemp() / "project")


@pytest.fixture(scope="session")
def evaluated(built_once: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy in which the evaluation is also built and committed; a test that changes it restores it.

    Its tests are in the group "evaluated", so that only one worker builds it.
    """
    project = built_once.copied(tmp_path_factory.getbasetemp() / "evaluated")
    project.build("stages/evaluation/dvc.yaml")
    project.commit()
    return project

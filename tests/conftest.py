"""What every test runs under."""

from collections.abc import Iterator

import pytest
import torch
from filelock import FileLock

from tests.project import Project


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where workers share the tests out, one builds the project first, while others run what needs none of it."""
    waiting = {_unit(item) for item in items if "built" in getattr(item, "fixturenames", ())}
    of_built = [item for item in items if _unit(item) in waiting]
    others = [item for item in items if _unit(item) not in waiting]
    items[:] = [*of_built[:1], *others, *of_built[1:]]


def _unit(item: pytest.Item) -> str:
    """What a worker takes at once: a group's tests, or one test."""
    group = item.get_closest_marker("xdist_group")
    return group.args[0] if group else item.nodeid


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors: on a busy machine waiting for the other threads takes a hundred times as long as the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Project:
    """A copy of the project at a tiny scale, built by `dvc repro` and committed; who changes it restores it.

    It is built once a run of the tests, and copied for every worker.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    with FileLock(shared / "built.lock"):
        if not (shared / "built").exists():
            project = Project.made(tmp_path_factory.mktemp("project"))
            project.dvc("repro")
            project.commit()
            project.folder.rename(shared / "built")
    return Project(shared / "built").copied(own / "project")

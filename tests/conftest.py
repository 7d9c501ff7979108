"""What every test runs under."""

from collections.abc import Iterator

import pytest
import torch

from tests.project import Project

# Where workers share the tests out (`make test`), each of these groups stays with one that builds the project once.
GROUPS = {"test_cluster": "cluster", "test_job": "cluster", "test_workflow": "cluster"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that use the built project together."""
    for item in items:
        if "built" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(GROUPS.get(item.module.__name__.rpartition(".")[2], "pipeline")))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors: on a busy machine waiting for the other threads takes a hundred times as long as the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project at a tiny scale, built by `dvc repro` and committed; who changes it restores it."""
    project = Project(tmp_path_factory.mktemp("project"))
    project.dvc("repro")
    project.commit()
    return project

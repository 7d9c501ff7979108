"""Between Snakemake and DVC: what there is to run, which of it is due, and what jobs have finished."""

import contextlib
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from dvc.dependency import ParamsDependency
from dvc.fs import localfs
from dvc.lock import LockError
from dvc.output import Output
from dvc.repo import Repo
from dvc.rwlock import rwlock
from dvc.stage import PipelineStage
from snakemake.exceptions import WorkflowError
from snakemake.io import ancient, local, report

LOCK = Path("dvc.lock")
LOCK_BEFORE = Path(".snakemake/dvc.lock.before")
# Newer than any output, and never the same: a stage that reads it is run.
NOW = Path(".snakemake/now")
# One file a job that finished, until dvc.lock says so.
FINISHED = Path(".snakemake/finished")


class Busy(WorkflowError):
    """Another run works in this folder."""


def machine(config: dict) -> dict[str, int]:
    """The settings `shards`, `gpus` and `threads` of a profile, as numbers. Raises WorkflowError for a wrong one."""
    smallest = {"shards": 1, "gpus": 0, "threads": 1}
    for key, value in config.items():
        if key not in smallest:
            raise WorkflowError(f"config: unknown setting {key}; there are {', '.join(smallest)}")
        if not isinstance(value, int) or value < smallest[key]:
            raise WorkflowError(f"config: {key} must be a whole number of at least {smallest[key]}, not {value!r}")
    return {"shards": 1, "gpus": 1, "threads": 1} | config


def plan() -> tuple[Repo, set[str]]:
    """The pipeline of the working directory, and the stages that are due (see `due`).

    First puts right what a killed run has left. Raises Busy while another run works in this folder.
    """
    recover()
    repo = Repo()
    with alone(repo):
        tell_dvc(repo)
        found = due(repo)
    NOW.parent.mkdir(exist_ok=True)
    NOW.write_text(str(time.time()))
    return repo, found


def inputs(stage: PipelineStage, due: set[str]) -> list[str]:
    """The files that `stage` reads, such that Snakemake finds the stages in `due`, and them alone, in need of a run.

    All files are local: they lie in the project's folder, where DVC looks for them, whatever storage a profile names.
    A folder that stages write into stands for what they write there.
    """
    makers = {str(out): other.name for other in stage.repo.index.stages for out in other.outs}
    files = []
    for dep in stage.deps:
        if not isinstance(dep, ParamsDependency):
            files += [out for out in makers if out.startswith(f"{dep}/")] or [str(dep)]
    if stage.name in due:
        seen = [file if makers.get(file) in due else ancient(file) for file in files] + [str(NOW)]
    else:
        # What is made anew without making this stage due is constant.
        seen = [ancient(file) for file in files if makers.get(file) not in due]
    return [local(file) for file in seen]


def outputs(stage: PipelineStage) -> list[str]:
    """The files that `stage` writes; those that DVC leaves to Git, the report's, are for Snakemake's report too."""
    return [local(str(out) if out.use_cache else report(str(out))) for out in stage.outs]


def due(repo: Repo) -> set[str]:
    """The stages to run: those that `dvc status` calls stale, and all that follow them.

    A stage whose output is constant makes none due that follow it.
    """
    found = set(repo.status())
    graph = repo.index.graph.reverse()
    open_ends = [stage for stage in repo.index.stages if stage.name in found]
    while open_ends:
        stage = open_ends.pop()
        if not stage.meta.get("constant"):
            following = [other for other in graph.successors(stage) if other.name not in found]
            found |= {other.name for other in following}
            open_ends += following
    return found


def lasts(stage: PipelineStage) -> bool:
    """Whether dvc.lock describes `stage` as it is, and its outputs are in place or in DVC's cache."""
    return (
        not stage.changed_stage()
        and not any(dep.status() for dep in stage.deps)
        and not any(out.status() and out.changed_cache() for out in stage.outs)
    )


def put_back(stage: PipelineStage) -> None:
    """Fetch the outputs of a stage that `lasts` from DVC's cache where they are not in place."""
    for out in stage.outs:
        if out.status():
            out.checkout(force=True)


def contents(items: list[Output]) -> list:
    """The hashes of a stage's dependencies or outputs as they are now; None for what is missing."""
    return [[str(item), item.get_hash().value if item.exists else None] for item in items]


def record(stage: PipelineStage, dependencies: list) -> None:
    """Note that a job has run `stage` on `dependencies` (see `contents`) to its end."""
    FINISHED.mkdir(parents=True, exist_ok=True)
    path = FINISHED / f"{stage.name}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps([stage.cmd, dependencies, contents(stage.outs)]))
    os.replace(partial, path)


def finished(stage: PipelineStage) -> bool:
    """Whether a job has run `stage` to its end, and neither what it read nor what it wrote has changed since."""
    path = FINISHED / f"{stage.name}.json"
    if not path.exists():
        return False
    return json.loads(path.read_text()) == [stage.cmd, contents(stage.deps), contents(stage.outs)]


def tell_dvc(repo: Repo) -> None:
    """Write what jobs have finished into dvc.lock and DVC's cache."""
    records = list(FINISHED.glob("*.json"))
    stages = [stage for stage in repo.index.stages if finished(stage)]
    if stages:
        with _kept_before(), repo.lock:
            for stage in stages:
                stage.save()
                stage.commit()
            stages[0].dvcfile.dump_stages(stages, update_pipeline=False)
    for path in records:
        path.unlink()


@contextlib.contextmanager
def _kept_before() -> Iterator[None]:
    # DVC writes dvc.lock in place: killed meanwhile, it would leave half of it.
    if not LOCK.exists():
        LOCK.write_text("schema: '2.0'\n")
    partial = LOCK_BEFORE.with_suffix(".partial")
    shutil.copyfile(LOCK, partial)
    with open(partial, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.replace(partial, LOCK_BEFORE)
        yield
        LOCK_BEFORE.unlink()


def recover() -> None:
    """Put dvc.lock back as it was if a kill came while it was written. Raises Busy if it is being written."""
    with contextlib.suppress(FileNotFoundError), open(LOCK_BEFORE, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"{LOCK} is being written") from None
        os.replace(LOCK_BEFORE, LOCK)


@contextlib.contextmanager
def alone(repo: Repo) -> Iterator[None]:
    """Keep other runs, DVC's too, from this folder's outputs. Raises Busy while one works on them.

    The lock is DVC's own; it is void once this process is dead.
    """
    outs = [out.fs_path for stage in repo.index.stages for out in stage.outs]
    # Under this very name DVC knows us again when `tell_dvc` asks it to write.
    command = " ".join(sys.argv)
    try:
        with rwlock(repo.tmp_dir, localfs, command, [], outs, repo.config["core"].get("hardlink_lock", False)):
            yield
    except LockError as error:
        raise Busy(str(error)) from None

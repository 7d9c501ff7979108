"""The interface of Snakemake to DVC: the stages, the stale ones and the finished ones."""

import contextlib
import fcntl
import functools
import json
import os
import shlex
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
from dvc.utils.serialize import ParseError
from dvc.utils.strictyaml import YAMLValidationError
from snakemake.exceptions import WorkflowError
from snakemake.io import ancient, local, report

# Each pipeline's lock file, and its backup while it is written.
LOCKS = {
    Path("dvc.lock"): Path(".snakemake/dvc.lock.before"),
    Path("stages/evaluation/dvc.lock"): Path(".snakemake/evaluation.dvc.lock.before"),
}
# Newer than any output and always different, so that Snakemake runs every stage with this input.
FORCE_RERUN = Path(".snakemake/force_rerun")
# One file per finished job, until dvc.lock records it.
FINISHED = Path(".snakemake/finished")


class Busy(WorkflowError):
    """Another run is using this folder."""


def machine(config: dict) -> dict[str, int]:
    """Complete a profile's settings `shards`, `gpus` and `threads` with their defaults.

    Raises WorkflowError for an unknown setting, and for a value that is not a whole number or too small.
    """
    smallest = {"shards": 1, "gpus": 0, "threads": 1}
    for key, value in config.items():
        if key not in smallest:
            raise WorkflowError(f"config: unknown setting {key}; use one of {', '.join(smallest)}")
        if not isinstance(value, int) or value < smallest[key]:
            raise WorkflowError(f"config: {key} must be a whole number of at least {smallest[key]}, not {value!r}")
    return {"shards": 1, "gpus": 1, "threads": 1} | config


def check_python(elsewhere: bool) -> None:
    """Check that jobs can start this Python. elsewhere: whether jobs run outside this process's own shell.

    Raises WorkflowError for a path that needs quotes: Snakemake does not quote it in the scripts of such jobs.
    """
    if elsewhere and shlex.quote(sys.executable) != sys.executable:
        raise WorkflowError(
            f"{sys.executable}: Snakemake's jobs on a cluster cannot start a Python whose path contains blanks or "
            "special characters of the shell; clone the project into a folder without them"
        )


def plan() -> tuple[Repo, set[str]]:
    """Open the pipelines of the working directory and list the addresses of their stale stages (see `stale`).

    First recovers from a killed run. Raises Busy while another run is using the folder, and WorkflowError for a
    dvc.yaml, dvc.lock or params.yaml that DVC cannot read.
    """
    recover()
    try:
        repo = Repo()
        with exclusive(repo):
            commit_to_dvc(repo)
            names = stale(repo)
    except (ParseError, YAMLValidationError) as error:
        file = os.path.relpath(error.path)
        remedy = f"git checkout HEAD -- {file} restores it" if file in map(str, LOCKS) else "correct it by hand"
        raise WorkflowError(f"{file}: is damaged or contains the conflict markers of a merge; {remedy}") from None
    FORCE_RERUN.parent.mkdir(exist_ok=True)
    FORCE_RERUN.write_text(str(time.time()))
    return repo, names


def inputs(stage: PipelineStage, stale: set[str]) -> list[str]:
    """List the input files of `stage`, marked so that Snakemake runs exactly the stages in `stale`.

    A folder that contains outputs of stages stands for all of these outputs, at any depth. All files are local, in the
    project's folder, whatever storage a profile names.
    """
    makers = _makers(stage.repo)
    files: list[str] = []
    for dep in stage.deps:
        if not isinstance(dep, ParamsDependency):
            path = str(dep)
            made = [out for out in makers if out.startswith(f"{path}/")] or [path]
            files += [file for file in made if file not in files]
    if stage.addressing in stale:
        marked = [file if makers.get(file) in stale else ancient(file) for file in files] + [str(FORCE_RERUN)]
    else:
        # Without the constant outputs of stale stages, which never make this stage stale.
        marked = [ancient(file) for file in files if makers.get(file) not in stale]
    return [local(file) for file in marked]


# Cached: DVC is slow to give an output's path, and every stage's inputs need all of them.
@functools.lru_cache(maxsize=1)
def _makers(repo: Repo) -> dict[str, str]:
    """Map every output of the pipelines to the address of its stage."""
    return {str(out): stage.addressing for stage in repo.index.stages for out in stage.outs}


def outputs(stage: PipelineStage) -> list[str]:
    """List the output files of `stage`; those in Git instead of DVC's cache are marked for Snakemake's report.

    Folders, which have no suffix, are left out: Snakemake would put a file of its own into them. The stage's files,
    written after its folders, stand for them.
    """
    files = [out for out in stage.outs if Path(str(out)).suffix]
    return [local(str(out) if out.use_cache else report(str(out))) for out in files]


def all_outputs(repo: Repo, file: str) -> list[str]:
    """List the `outputs` of all stages of the pipeline in `file`."""
    return [out for stage in repo.index.stages if stage.relpath == file for out in outputs(stage)]


def rule_name(stage: PipelineStage) -> str:
    """Build a name of `stage` that is unique in both pipelines and valid as a file name."""
    return stage.addressing.replace("stages/evaluation/dvc.yaml:", "evaluation-")


def stale(repo: Repo) -> set[str]:
    """List the addresses of the stages to run: those of `dvc status` and all stages downstream.

    A stage with a constant output makes no downstream stage stale.
    """
    names = set(repo.status())
    downstream = repo.index.graph.reverse()
    to_visit = [stage for stage in repo.index.stages if stage.addressing in names]
    while to_visit:
        stage = to_visit.pop()
        if not stage.meta.get("constant"):
            new = [other for other in downstream.successors(stage) if other.addressing not in names]
            names |= {other.addressing for other in new}
            to_visit += new
    return names


def shardable(stage: PipelineStage) -> bool:
    """Whether several jobs can share the output of `stage`."""
    return bool(stage.meta.get("shardable"))


def is_up_to_date(stage: PipelineStage) -> bool:
    """Whether dvc.lock matches the current `stage`, and its outputs exist or are in DVC's cache."""
    return (
        not stage.changed_stage()
        and not any(dep.status() for dep in stage.deps)
        and not any(out.status() and out.changed_cache() for out in stage.outs)
    )


def checkout(stage: PipelineStage) -> None:
    """Restore missing outputs of an up-to-date `stage` from DVC's cache."""
    for out in stage.outs:
        if out.status():
            out.checkout(force=True)


def hashes(items: list[Output]) -> list:
    """Compute the current [path, hash] of each dependency or output in `items`; a missing file has the hash None."""
    return [[str(item), item.get_hash().value if item.exists else None] for item in items]


def record(stage: PipelineStage, dependencies: list) -> None:
    """Record that a job has finished `stage` with dependencies of these `hashes`."""
    FINISHED.mkdir(parents=True, exist_ok=True)
    path = FINISHED / f"{rule_name(stage)}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps([stage.cmd, dependencies, hashes(stage.outs)]))
    os.replace(partial, path)


def finished(stage: PipelineStage) -> bool:
    """Whether a job has finished `stage`, and its inputs and outputs are unchanged since."""
    path = FINISHED / f"{rule_name(stage)}.json"
    if not path.exists():
        return False
    return json.loads(path.read_text()) == [stage.cmd, hashes(stage.deps), hashes(stage.outs)]


def commit_to_dvc(repo: Repo) -> None:
    """Write the stages finished by jobs to the lock files, and their outputs to DVC's cache."""
    records = list(FINISHED.glob("*.json"))
    stages = [stage for stage in repo.index.stages if finished(stage)]
    if stages:
        with repo.lock:
            for stage in stages:
                stage.save()
                stage.commit()
            with _locks_backed_up():
                for file in {stage.relpath for stage in stages}:
                    finished_stages = [stage for stage in stages if stage.relpath == file]
                    finished_stages[0].dvcfile.dump_stages(finished_stages, update_pipeline=False)
    for path in records:
        path.unlink()


@contextlib.contextmanager
def _locks_backed_up() -> Iterator[None]:
    # DVC writes a lock file in place; a kill or an error in between leaves an incomplete file.
    with contextlib.ExitStack() as stack:
        for lock, before in LOCKS.items():
            if not lock.exists():
                lock.write_text("schema: '2.0'\n")
            partial = before.with_suffix(".partial")
            shutil.copyfile(lock, partial)
            file = stack.enter_context(open(partial, "ab"))
            fcntl.flock(file, fcntl.LOCK_EX)
            os.replace(partial, before)
        try:
            yield
        except BaseException:
            for lock, before in LOCKS.items():
                os.replace(before, lock)
            raise
        for before in LOCKS.values():
            before.unlink()


def recover() -> None:
    """Restore the lock files if a run was killed while it wrote one. Raises Busy while one is being written."""
    for lock, before in LOCKS.items():
        with contextlib.suppress(FileNotFoundError), open(before, "r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"{lock} is being written") from None
            os.replace(before, lock)


@contextlib.contextmanager
def exclusive(repo: Repo) -> Iterator[None]:
    """Lock this folder's outputs against other runs, including DVC's. Raises Busy while another run has the lock.

    The lock is DVC's own; it expires with this process.
    """
    outs = [out.fs_path for stage in repo.index.stages for out in stage.outs]
    # DVC identifies the lock's owner by this command when `commit_to_dvc` writes.
    command = " ".join(sys.argv)
    try:
        with rwlock(repo.tmp_dir, localfs, command, [], outs, repo.config["core"].get("hardlink_lock", False)):
            yield
    except LockError as error:
        raise Busy(str(error)) from None

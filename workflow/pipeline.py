"""Between Snakemake and DVC: which stages there are, which of them are stale, and which have finished."""

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

# One lock file for each pipeline, and the copies of them while they are written.
LOCKS = {
    Path("dvc.lock"): Path(".snakemake/dvc.lock.before"),
    Path("stages/evaluation/dvc.lock"): Path(".snakemake/evaluation.dvc.lock.before"),
}
# Newer than any output and never the same, so that Snakemake runs each stage that reads it.
FORCE_RERUN = Path(".snakemake/force_rerun")
# One file for each job that finished, until dvc.lock records it.
FINISHED = Path(".snakemake/finished")


class Busy(WorkflowError):
    """Another run works in this folder."""


def machine(config: dict) -> dict[str, int]:
    """The settings `shards`, `gpus` and `threads` of a profile, with their defaults.

    Raises WorkflowError for an unknown setting, and for one that is no whole number or too small.
    """
    smallest = {"shards": 1, "gpus": 0, "threads": 1}
    for key, value in config.items():
        if key not in smallest:
            raise WorkflowError(f"config: unknown setting {key}; there are {', '.join(smallest)}")
        if not isinstance(value, int) or value < smallest[key]:
            raise WorkflowError(f"config: {key} must be a whole number of at least {smallest[key]}, not {value!r}")
    return {"shards": 1, "gpus": 1, "threads": 1} | config


def check_python(elsewhere: bool) -> None:
    """Check that jobs can start this Python, be they `elsewhere` than in this process's own shell.

    Raises WorkflowError where Snakemake would not: it leaves the path unquoted in the scripts of such jobs.
    """
    if elsewhere and shlex.quote(sys.executable) != sys.executable:
        raise WorkflowError(
            f"{sys.executable}: Snakemake's jobs on a cluster cannot start a Python whose path holds blanks or signs "
            "that a shell takes for its own; clone the project into a folder without them"
        )


def plan() -> tuple[Repo, set[str]]:
    """The pipelines of the working directory, and the addresses of their stale stages (see `stale`).

    Repairs what a killed run has left first. Raises Busy while another run works in this folder, and WorkflowError
    for a dvc.yaml, dvc.lock or params.yaml that DVC cannot read.
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
        raise WorkflowError(f"{file}: is damaged, or holds the conflict markers of a merge; {remedy}") from None
    FORCE_RERUN.parent.mkdir(exist_ok=True)
    FORCE_RERUN.write_text(str(time.time()))
    return repo, names


def inputs(stage: PipelineStage, stale: set[str]) -> list[str]:
    """The files that `stage` reads, marked such that Snakemake runs the stages in `stale` and no others.

    A folder that stages write into stands for all that they write there, however deep.
    All files are local: they lie in the project's folder, where DVC looks for them, whatever storage a profile names.
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
        # What is made anew without making this stage stale is constant.
        marked = [ancient(file) for file in files if makers.get(file) not in stale]
    return [local(file) for file in marked]


# DVC takes its time to say a path, and every stage's inputs are asked for.
@functools.lru_cache(maxsize=1)
def _makers(repo: Repo) -> dict[str, str]:
    """Every output of the pipelines, and the address of the stage that makes it."""
    return {str(out): stage.addressing for stage in repo.index.stages for out in stage.outs}


def outputs(stage: PipelineStage) -> list[str]:
    """The files that `stage` writes; those that Git keeps instead of DVC's cache also go into Snakemake's report.

    A folder, which has no ending, is left out: Snakemake would put a file of its own into it. The stage's files,
    written after it, vouch for it.
    """
    files = [out for out in stage.outs if Path(str(out)).suffix]
    return [local(str(out) if out.use_cache else report(str(out))) for out in files]


def all_outputs(repo: Repo, file: str) -> list[str]:
    """The outputs of all stages of the pipeline in `file`, as `outputs` gives them."""
    return [out for stage in repo.index.stages if stage.relpath == file for out in outputs(stage)]


def rule_name(stage: PipelineStage) -> str:
    """A name for `stage` that is a file name too, and that no stage of the other pipeline has."""
    return stage.addressing.replace("stages/evaluation/dvc.yaml:", "evaluation-")


def stale(repo: Repo) -> set[str]:
    """The addresses of the stages to run: those that `dvc status` lists, and all downstream of them.

    A stage whose output is constant makes none downstream stale.
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
    """Whether several jobs may make the output of `stage` together."""
    return bool(stage.meta.get("shardable"))


def is_up_to_date(stage: PipelineStage) -> bool:
    """Whether dvc.lock describes `stage` as it is now, and its outputs are in place or in DVC's cache."""
    return (
        not stage.changed_stage()
        and not any(dep.status() for dep in stage.deps)
        and not any(out.status() and out.changed_cache() for out in stage.outs)
    )


def checkout(stage: PipelineStage) -> None:
    """Restore from DVC's cache the outputs of an up-to-date `stage` that are not in place."""
    for out in stage.outs:
        if out.status():
            out.checkout(force=True)


def hashes(items: list[Output]) -> list:
    """The [path, hash] of each of a stage's dependencies or outputs as it is now; the hash of a missing one is None."""
    return [[str(item), item.get_hash().value if item.exists else None] for item in items]


def record(stage: PipelineStage, dependencies: list) -> None:
    """Record that a job has run `stage` to its end, on dependencies with these `hashes`."""
    FINISHED.mkdir(parents=True, exist_ok=True)
    path = FINISHED / f"{rule_name(stage)}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps([stage.cmd, dependencies, hashes(stage.outs)]))
    os.replace(partial, path)


def finished(stage: PipelineStage) -> bool:
    """Whether a job has run `stage` to its end, and neither its inputs nor its outputs have changed since."""
    path = FINISHED / f"{rule_name(stage)}.json"
    if not path.exists():
        return False
    return json.loads(path.read_text()) == [stage.cmd, hashes(stage.deps), hashes(stage.outs)]


def commit_to_dvc(repo: Repo) -> None:
    """Write the stages that jobs have finished into the lock files, and their outputs into DVC's cache."""
    records = list(FINISHED.glob("*.json"))
    stages = [stage for stage in repo.index.stages if finished(stage)]
    if stages:
        with _locks_backed_up(), repo.lock:
            for stage in stages:
                stage.save()
                stage.commit()
            for file in {stage.relpath for stage in stages}:
                finished_stages = [stage for stage in stages if stage.relpath == file]
                finished_stages[0].dvcfile.dump_stages(finished_stages, update_pipeline=False)
    for path in records:
        path.unlink()


@contextlib.contextmanager
def _locks_backed_up() -> Iterator[None]:
    # DVC writes a lock file in place, and would leave half of it if it were killed meanwhile.
    with contextlib.ExitStack() as held:
        for lock, before in LOCKS.items():
            if not lock.exists():
                lock.write_text("schema: '2.0'\n")
            partial = before.with_suffix(".partial")
            shutil.copyfile(lock, partial)
            file = held.enter_context(open(partial, "ab"))
            fcntl.flock(file, fcntl.LOCK_EX)
            os.replace(partial, before)
        yield
        for before in LOCKS.values():
            before.unlink()


def recover() -> None:
    """Restore the lock files if a run was killed while writing one. Raises Busy if one is being written now."""
    for lock, before in LOCKS.items():
        with contextlib.suppress(FileNotFoundError), open(before, "r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(f"{lock} is being written") from None
            os.replace(before, lock)


@contextlib.contextmanager
def exclusive(repo: Repo) -> Iterator[None]:
    """Keep other runs, DVC's too, from this folder's outputs. Raises Busy while one works on them.

    The lock is DVC's own; it is void once this process is dead.
    """
    outs = [out.fs_path for stage in repo.index.stages for out in stage.outs]
    # DVC recognises the holder of the lock by this name when `commit_to_dvc` asks it to write.
    command = " ".join(sys.argv)
    try:
        with rwlock(repo.tmp_dir, localfs, command, [], outs, repo.config["core"].get("hardlink_lock", False)):
            yield
    except LockError as error:
        raise Busy(str(error)) from None

"""Both pipelines under Snakemake, on this machine and on a SLURM cluster, with kills, compared with `dvc repro`."""

import hashlib
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import slurm
from tests.project import Project, stages_run
from tests.slurm import Slurm, wait_for

pytestmark = pytest.mark.long
EVALUATION = "stages/evaluation/dvc.yaml"
UP_TO_DATE = "Data and pipelines are up to date."
needs_slurm = pytest.mark.skipif(
    not all(map(slurm.which, slurm.PROGRAMS)) or os.getuid() != 0 or shlex.quote(sys.executable) != sys.executable,
    reason="needs root, Debian's packages slurm-wlm and munge, and a Python that Snakemake's jobs can start",
)


@pytest.fixture(scope="module")
def made(built: Project) -> dict[str, bytes]:
    """The outputs of `dvc repro`: images, scores and tables."""
    return outputs(built)


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def outputs(project: Project) -> dict[str, bytes]:
    """The paper's files, without the committed ones of the evaluation, which are of another scale."""
    folders = [*project.folder.glob("data/**/*"), *project.folder.glob("reports/**/*")]
    return {
        str(path.relative_to(project.folder)): path.read_bytes()
        for path in folders
        if path.is_file() and not {"synthetic-faces", "evaluation"} & set(path.parts)
    }


def finished_batches(project: Project, adversarial_set: Path) -> list[Path]:
    folder = project.folder / adversarial_set.with_name(f".{adversarial_set.name}.batches")
    return list(folder.glob("*/[0-9]"))


# Without the time of the fixture `built`; a long timeout, as Snakemake's jobs start slowly on a busy machine.
@pytest.mark.timeout(1800, func_only=True)
def test_killed_in_an_attack_and_run_again_on_one_machine(built, tmp_path, made):
    # One stage of each kind must run; the other sets exist, and nothing of the evaluation.
    project = built.copied(tmp_path / "project")
    project.lose("data/models/A", "data/*/A/p_fgvm.*", "data/trajectories/A.npy", "data/scores.csv")
    arguments = ("paper", "evaluation-minimum_norm", "evaluation-curves", "--config", "shards=2")
    running = project.start_snakemake("default", *arguments)
    adversarial_set = Path("data/adversarial/A/p_fgvm.npy")
    wait_for(lambda: finished_batches(project, adversarial_set), "a finished batch", seconds=300)

    # A second run is refused.
    assert "is busy" in project.snakemake("default", *arguments, succeeds=False)
    assert "is busy" in project.dvc("repro", succeeds=False)
    assert running.poll() is None

    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (project.folder / adversarial_set).exists()
    assert not (project.folder / "data/scores.csv").exists()

    # An incomplete file left by a killed process.
    (project.folder / "data/scores/A").mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(b"p_fgvm.csv").hexdigest()[:16]
    (project.folder / f"data/scores/A/.p_fgvm.csv.{digest}.partial").write_text("half")
    assert "rule train@A:" not in project.snakemake("default", *arguments)

    # The outputs are those of `dvc repro`, bit by bit, and DVC has nothing left to run.
    ours = outputs(project)
    assert set(ours) == set(made)
    assert [name for name in made if ours[name] != made[name]] == []
    targets = ("dvc.yaml", f"{EVALUATION}:minimum_norm", f"{EVALUATION}:curves")
    assert project.dvc("status", "--with-deps", *targets).strip() == UP_TO_DATE
    assert stages_run(project.dvc("repro", *targets)) == set()


@needs_slurm
@pytest.mark.timeout(1800, func_only=True)
def test_slurm_with_a_job_cancelled_and_a_node_lost(built, tmp_path, cluster, made):
    # Only attacks in shards, and on one trained model: a job takes ten seconds or more to start.
    project = built.copied(tmp_path / "project")
    project.lose("data/adversarial/A", "data/scores/A")
    text = (project.folder / "dvc.yaml").read_text()
    first = text.index("shardable: true") + len("shardable: true")
    (project.folder / "dvc.yaml").write_text(text[:first] + text[first:].replace(", shardable: true", ""))
    targets = [f"score@A-{method}" for method in ("p_fgvm", "i_fgsm")]
    arguments = (
        *targets,
        *("--config", "shards=2", "gpus=0", "threads=1"),
        *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3"),
        # All files are on one disk here.
        *("--latency-wait", "5"),
    )
    running = project.start_snakemake("slurm", *arguments, **cluster.environment)

    def job(rule: str) -> str | None:
        return next((id for id, comment in cluster.running().items() if rule in comment), None)

    wait_for(lambda: job("attack@A-p_fgvm-shard"), "a shard's job", seconds=300)
    cluster.command("scancel", job("attack@A-p_fgvm-shard"))
    wait_for(lambda: job("-i_fgsm"), "another attack's job", seconds=300)
    cluster.kill_node()
    # SLURM marks an unresponsive node with a star.
    wait_for(lambda: "*" in cluster.command("sinfo", "--noheader", "--format=%t"), "the loss")
    cluster.start_node()
    words = project.folder / "snakemake.out"
    assert running.wait(timeout=1200) == 0, words.read_text()[-3000:]
    assert "failed, SLURM status is" in words.read_text()
    # Without the committed reports, which are of another run.
    ours = {name: content for name, content in outputs(project).items() if name.startswith("data/")}
    assert {f"data/scores/A/{target.rpartition('-')[2]}.csv" for target in targets} <= set(ours)
    assert [name for name in ours if ours[name] != made[name]] == []
    assert project.dvc("status", *targets, "--with-deps").strip() == UP_TO_DATE

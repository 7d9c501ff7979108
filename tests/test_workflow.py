"""Snakemake's view of the pipeline: the same graph as DVC's, the same stale stages, resources from `meta`."""

import json
import re
import subprocess
import sys

import networkx
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from tests.project import ROOT, Project

PROFILES = ("default", "slurm", "kubernetes")


@pytest.fixture
def project(built: Project):
    yield built
    built.restore()


def planned(output: str) -> set[str]:
    """The rules that a dry run lists, without the target."""
    table = output.split("Job stats:")[1].split("total")[0]
    return {line.split()[0] for line in table.splitlines()[3:] if line.strip()} - {"all"}


def resources(output: str, rule: str) -> dict[str, str]:
    """What a dry run says that one rule wants."""
    text = re.search(rf"^rule {re.escape(rule)}:.*?resources: (.*?)$", output, re.DOTALL | re.MULTILINE)[1]
    return dict(re.findall(r"(\w+)=([^,\n]+)", text))


def test_lint_and_format_are_clean():
    subprocess.run([sys.executable, "-m", "snakemake", "--lint"], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["snakefmt", "--check", "workflow/Snakefile"], cwd=ROOT, check=True, capture_output=True)


def test_the_graph_is_dvcs(built):
    words = built.snakemake("default", "--forceall", "--dag", "dot").split("digraph", 1)[1]
    names = dict(re.findall(r"(\d+)\[label = \"([^\"\\]+)", words))
    edges = {(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", words)}
    with Repo(built.folder) as repo:
        graph = {(before.name, after.name) for after, before in repo.index.graph.edges}
    assert {edge for edge in edges if edge[1] != "all"} == graph
    assert networkx.is_directed_acyclic_graph(networkx.DiGraph(edges))


def test_nothing_stale_is_nothing_to_do(built):
    assert "Nothing to be done" in built.snakemake("default", "--dry-run")


def test_stale_is_what_dvc_calls_stale_and_what_follows(project):
    project.set(**{"attack.lambda": 0.5})
    cells = {f"{cell}@{model}" for cell in ("p_fgvm", "noise", "random") for model in "AB"}
    scores = {f"score@{model}-{cell}" for cell in ("p_fgvm", "noise", "random") for model in "AB"}
    # `settings` runs on any edit, and its constant output makes nothing else stale.
    assert planned(project.snakemake("default", "--dry-run")) == cells | scores | {"settings", "scores", "report"}


def test_an_upstream_stage_that_writes_the_same_reruns_nothing(project):
    project.edit("stages/split.py", '"""Split', '"""(Edited.) Split')
    words = project.snakemake("default")
    assert "rule p_fgvm@A:" in words
    assert (project.folder / "logs/split.log").read_text() == ""
    for stage in ("train@A", "p_fgvm@B", "score@A-random", "scores"):
        assert "nothing that it reads has changed" in (project.folder / f"logs/{stage}.log").read_text()
    assert project.dvc("status").strip() == "Data and pipelines are up to date."


def test_what_an_edit_overtakes_does_not_count_as_finished(project):
    """A job has run, Snakemake was killed before DVC knew, and then a setting changed."""
    project.set(**{"attack.i_fgsm.iterations": 1})
    run_job(project, "i_fgsm@A")
    run_job(project, "i_fgsm@B")
    project.set(**{"attack.i_fgsm.iterations": {"A": 2, "B": 1}})
    due = planned(project.snakemake("default", "--dry-run"))
    assert {"i_fgsm@A", "i_fgsm@B"} <= due


def test_what_has_finished_counts_though_snakemake_was_killed(project):
    project.set(**{"attack.i_fgsm.iterations": 1})
    run_job(project, "i_fgsm@A")
    due = planned(project.snakemake("default", "--dry-run"))
    assert "i_fgsm@A" not in due and {"i_fgsm@B", "score@A-i_fgsm"} <= due
    assert "i_fgsm@A" not in json.loads(project.dvc("status", "--json"))


def test_a_changed_output_does_not_count_as_finished(project):
    project.set(**{"attack.i_fgsm.iterations": 1})
    run_job(project, "i_fgsm@A")
    (project.folder / "data/adversarial/A/i_fgsm.npy").write_bytes(b"something else")
    assert "i_fgsm@A" in planned(project.snakemake("default", "--dry-run"))


def test_dvc_lock_survives_a_kill_while_it_is_written(project):
    lock = project.folder / "dvc.lock"
    whole = lock.read_text()
    (project.folder / ".snakemake").mkdir(exist_ok=True)
    (project.folder / ".snakemake/dvc.lock.before").write_text(whole)
    lock.write_text(whole[: len(whole) // 2] + "\n  half: [")
    assert "Nothing to be done" in project.snakemake("default", "--dry-run")
    assert lock.read_text() == whole


def run_job(project: Project, stage: str) -> None:
    """Run a stage as Snakemake's jobs do."""
    subprocess.run(
        [sys.executable, "workflow/job.py", stage],
        cwd=project.folder,
        env=project.environment,
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("shard=2", "config: unknown setting shard; there are shards, gpus, threads"),
        ("shards=0", "config: shards must be a whole number of at least 1, not 0"),
        ("threads=many", "config: threads must be a whole number of at least 1, not 'many'"),
    ],
)
def test_a_wrong_setting_of_a_profile_is_named(built, setting, words):
    assert words in built.snakemake("default", "--dry-run", "--config", setting, succeeds=False)


def test_a_wrong_setting_of_the_pipeline_stops_the_run_and_is_shown(project):
    project.set(**{"attack.lambda": "abc"})
    before = (project.folder / "reports/table3.csv").read_bytes()
    assert "error: params.yaml: setting attack.lambda" in project.snakemake("default", succeeds=False)
    assert (project.folder / "reports/table3.csv").read_bytes() == before


def test_a_job_asks_for_what_meta_says(built):
    words = built.snakemake("default", "--dry-run", "--forceall", "--config", "shards=3", "threads=2")
    for stage, meta in {"split": "split", "train@A": "train", "p_fgvm@B-shard": "p_fgvm"}.items():
        expected = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"][meta]["meta"]
        wanted = resources(words, stage)
        assert int(wanted["mem_mb"]) == expected["mem_mb"]
        assert int(wanted["runtime"]) == expected["runtime"]
        assert int(wanted["gpu"]) == expected.get("gpus", 0)
    assert "p_fgvm@B-shard              3" in words
    assert "split-shard" not in words and "train@A-shard" not in words
    assert resources(built.snakemake("default", "-nF", "--config", "gpus=0"), "train@A")["gpu"] == "0"


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_sets_what_there_is_to_set(profile):
    values = YAML(typ="safe").load(ROOT / f"workflow/profiles/{profile}/config.yaml")
    settings = {item.split("=")[0] for item in values["config"]}
    assert settings <= {"shards", "gpus", "threads"}
    # Without these Snakemake would go by its own idea of what is stale, and stay locked after a kill.
    assert (values["rerun-triggers"], values["rerun-incomplete"], values["nolock"]) == ("mtime", True, True)


def test_a_report_of_the_run(built, tmp_path):
    built.snakemake("default", "--report", str(tmp_path / "report.html"))
    text = (tmp_path / "report.html").read_text()
    assert "table3.csv" in text and "train@A" in text


def test_the_outputs_travel_by_a_dvc_remote(built, tmp_path):
    """Push, fresh clone, pull: the clone has nothing left to run."""
    storage, clone = tmp_path / "storage", tmp_path / "clone"
    built.dvc("remote", "add", "--default", "--local", "shared", str(storage))
    built.dvc("push")
    subprocess.run(["git", "clone", "--quiet", built.folder, clone], check=True, capture_output=True)
    there = object.__new__(Project)
    there.folder = clone
    there.dvc("remote", "add", "--default", "--local", "shared", str(storage))
    assert not (clone / "data/scores.csv").exists()
    there.dvc("pull")
    assert "Running stage" not in there.dvc("repro")
    assert "Nothing to be done" in there.snakemake("default", "--dry-run")
    for name in ("data/scores.csv", "data/models/A/model.safetensors", "data/adversarial/B/p_fgvm.npy"):
        assert (clone / name).read_bytes() == (built.folder / name).read_bytes()

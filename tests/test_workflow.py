"""The pipelines in Snakemake: DVC's graph, DVC's stale stages, and resources from `meta`."""

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path

import networkx
import pytest
from dvc.exceptions import OverlappingOutputPathsError
from dvc.repo import Repo
from ruamel.yaml import YAML
from snakemake.exceptions import WorkflowError

from tests.project import ROOT, Project

sys.path.insert(0, str(ROOT / "workflow"))
import pipeline

PROFILES = ("default", "slurm")
UP_TO_DATE = "Data and pipelines are up to date."
EVALUATION = "stages/evaluation/dvc.yaml"


@pytest.fixture
def project(built: Project, monkeypatch: pytest.MonkeyPatch):
    """The paper's pipeline, as the working directory."""
    monkeypatch.chdir(built.folder)
    yield built
    built.restore()


def stale() -> set[str]:
    """The addresses of the stale stages of the working directory, as planned by the Snakefile."""
    return pipeline.plan()[1]


def planned(output: str) -> set[str]:
    """The rules listed by a dry run, without the target."""
    table = output.split("Job stats:")[1].split("total")[0]
    return {line.split()[0] for line in table.splitlines()[3:] if line.strip()} - {"paper", "evaluation"}


def resources(output: str, rule: str) -> dict[str, str]:
    """The resources of one rule in a dry run's output."""
    text = re.search(rf"^rule {re.escape(rule)}:.*?resources: (.*?)$", output, re.DOTALL | re.MULTILINE)[1]
    return dict(re.findall(r"(\w+)=([^,\n]+)", text))


def test_lint_and_format_are_clean():
    subprocess.run([sys.executable, "-m", "snakemake", "--lint"], cwd=ROOT, check=True, capture_output=True)
    snakefmt = [sys.executable, "-m", "snakefmt", "--check", "workflow/Snakefile"]
    subprocess.run(snakefmt, cwd=ROOT, check=True, capture_output=True)


def test_jobs_of_a_cluster_are_not_given_a_python_that_they_cannot_start(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/clone/.venv/bin/python")
    pipeline.check_python(elsewhere=True)
    monkeypatch.setattr(sys, "executable", "/my clone/.venv/bin/python")
    pipeline.check_python(elsewhere=False)
    with pytest.raises(WorkflowError, match=r"^/my clone/.venv/bin/python: .* clone the project into a folder without"):
        pipeline.check_python(elsewhere=True)


def test_the_graph_is_dvcs(built):
    words = built.snakemake("default", "paper", "evaluation", "--forceall", "--dag", "dot").split("digraph", 1)[1]
    names = dict(re.findall(r"(\d+)\[label = \"([^\"\\]+)", words))
    edges = {(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", words)}
    with contextlib.chdir(built.folder), Repo() as repo:
        graph = {(pipeline.rule_name(before), pipeline.rule_name(after)) for after, before in repo.index.graph.edges}
    assert {edge for edge in edges if edge[1] not in ("paper", "evaluation")} == graph
    assert networkx.is_directed_acyclic_graph(networkx.DiGraph(edges))


def test_the_paper_needs_nothing_of_the_evaluation(built):
    # Nothing of the evaluation has run.
    assert "Nothing to be done" in built.snakemake("default", "paper", "--dry-run")


@pytest.mark.long
@pytest.mark.xdist_group("evaluated")
def test_stale_is_what_dvc_calls_stale_and_what_follows(evaluated):
    evaluated.set(**{"attack.lambda": 0.5})
    sets = {f"{model}-{method}" for model in "AB" for method in ("p_fgvm", "p_fgvm_noise", "random_equal_l2")}
    # `settings` runs after any edit, but its constant output makes nothing else stale.
    paper = {"settings", "scores", "tables", "figures", "pictures", "page"} | {f"score@{cell}" for cell in sets}
    paper |= {f"{stage}@{model}" for stage in ("noise", "control", "trajectory") for model in "AB"}
    paper |= {"attack@A-p_fgvm", "attack@B-p_fgvm"}
    evaluation = {"settings", "recognition", "robustness", "adaptive", "quality", "visibility", "curves"}
    evaluation |= {"minimum_norm", "tables", "figures", "pictures", "page", "strengths@B-p_fgvm"}
    evaluation |= {f"evaluate_given@{cell}" for cell in sets} | {"curve@A-p_fgvm", "curve@B-p_fgvm"}
    rules = planned(evaluated.snakemake("default", "paper", "evaluation", "--dry-run"))
    assert rules == paper | {f"evaluation-{name}" for name in evaluation}
    evaluated.restore()


@pytest.mark.long
@pytest.mark.xdist_group("evaluated")
def test_an_upstream_stage_that_writes_the_same_reruns_nothing(evaluated):
    evaluated.edit("stages/noise.py", '"""De-identify', '"""(Edited.) De-identify')
    evaluated.edit("stages/evaluation/external.py", '"""Collect', '"""(Edited.) Collect')
    words = evaluated.snakemake("default", "paper", "evaluation")
    assert "rule evaluation-evaluate_given@A-p_fgvm_noise:" in words and "rule evaluation-score_external:" in words
    logs = {path.stem: path.read_text() for path in (evaluated.folder / "logs").glob("*.log")}
    ran = {name for name, log in logs.items() if ": up to date" not in log}
    # Snakemake first removes the outputs of a rule. Those that are not in DVC's cache are written again.
    with contextlib.chdir(evaluated.folder), Repo() as repo:
        cached = {pipeline.rule_name(s) for s in repo.index.stages if all(out.use_cache for out in s.outs)}
    assert cached & ran == {"noise@A", "noise@B", "evaluation-external"}
    assert evaluated.dvc("status").strip() == UP_TO_DATE
    evaluated.restore()


def test_a_finished_job_counts_only_until_an_edit_overtakes_it(project):
    """Jobs have finished, Snakemake was killed before DVC recorded them, and then a setting changed."""
    project.set(**{"attack.i_fgsm.iterations": 1})
    run_job(project, "attack@A-i_fgsm")
    run_job(project, "attack@B-i_fgsm")
    project.set(**{"attack.i_fgsm.iterations": {"A": 2, "B": 1}})
    assert {"attack@A-i_fgsm", "attack@B-i_fgsm"} <= stale()


def test_a_finished_job_counts_though_snakemake_was_killed(project):
    project.set(**{"attack.i_fgsm.iterations": 1})
    run_job(project, "attack@A-i_fgsm")
    run_job(project, f"{EVALUATION}:external")
    names = stale()
    assert not {"attack@A-i_fgsm", f"{EVALUATION}:external"} & names
    assert {"attack@B-i_fgsm", "score@A-i_fgsm"} <= names
    recorded = json.loads(project.dvc("status", "--json"))
    assert not {"attack@A-i_fgsm", f"{EVALUATION}:external"} & set(recorded)


def test_a_changed_output_does_not_count_as_finished(project):
    project.set(**{"attack.i_fgsm.iterations": 1})
    run_job(project, "attack@A-i_fgsm")
    (project.folder / "data/adversarial/A/i_fgsm.npy").write_bytes(b"something else")
    assert "attack@A-i_fgsm" in stale()


@pytest.mark.long
@pytest.mark.xdist_group("evaluated")
@pytest.mark.parametrize("lock", pipeline.LOCKS, ids=str)
def test_a_lock_file_survives_a_kill_while_it_is_written(evaluated, monkeypatch, lock):
    monkeypatch.chdir(evaluated.folder)
    whole = lock.read_text()
    pipeline.LOCKS[lock].parent.mkdir(exist_ok=True)
    pipeline.LOCKS[lock].write_text(whole)
    lock.write_text(whole[: len(whole) // 2] + "\n  half: [")
    assert stale() == set()
    assert lock.read_text() == whole


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_while_a_lock_file_is_written_leaves_it_as_it_was(project, error):
    pipeline.FINISHED.mkdir(parents=True, exist_ok=True)
    lock = Path("dvc.lock")
    whole = lock.read_text()
    with pytest.raises(error), pipeline._locks_backed_up():
        lock.write_text("half: [")
        raise error
    assert lock.read_text() == whole
    assert not any(before.exists() for before in pipeline.LOCKS.values())


CONFLICT = "<<<<<<< HEAD\nmine: 1\n=======\nmine: 2\n>>>>>>> theirs\n"


@pytest.mark.parametrize(
    ("file", "text", "remedy"),
    [
        ("dvc.lock", "schema: '2.0'\n" + CONFLICT, "git checkout HEAD -- dvc.lock"),
        ("dvc.lock", "schema: '2.0'\nstages: 3\n", "git checkout HEAD -- dvc.lock"),
        ("dvc.lock", "", "git checkout HEAD -- dvc.lock"),
        (f"{EVALUATION[:-5]}.lock", "schema: '2.0'\n" + CONFLICT, f"git checkout HEAD -- {EVALUATION[:-5]}.lock"),
        ("dvc.yaml", "stages: {}\n" + CONFLICT, "correct it by hand"),
        ("params.yaml", "device: cpu\n" + CONFLICT, "correct it by hand"),
    ],
)
def test_a_file_damaged_by_a_merge_is_named_with_the_remedy(project, file, text, remedy):
    made = Path(file).exists()
    Path(file).write_text(text)
    with pytest.raises(WorkflowError, match=f"^{file}: .*{remedy}"):
        pipeline.plan()
    if not made:
        Path(file).unlink()


def repo_of(folder: Path, monkeypatch: pytest.MonkeyPatch, stages: dict) -> Repo:
    """A DVC repository in `folder` with the stages: name -> (dependencies, outputs)."""
    entries = {name: {"cmd": "true", "deps": deps, "outs": outs} for name, (deps, outs) in stages.items()}
    YAML().dump({"stages": entries}, folder / "dvc.yaml")
    monkeypatch.chdir(folder)
    return Repo.init(no_scm=True)


def test_a_folder_stands_for_the_outputs_inside_it_at_any_depth(tmp_path, monkeypatch):
    stages = {
        "train": (["library"], ["data/models/A/weights", "data/models/A/record", "data/models/A.log"]),
        "attack": (["data/models/A"], ["data/adversarial/A/deep/set"]),
        "other": (["data/models/A/record"], ["data/adversarial/B/set"]),
        "tables": (["data/models", "data/adversarial/", "data/models/A", "data/models/A.log", "code.py"], ["tables"]),
    }
    repo = repo_of(tmp_path, monkeypatch, stages)
    listed = {stage.name: pipeline.inputs(stage, set()) for stage in repo.index.stages}
    reads = {name: set(files) for name, files in listed.items()}
    assert all(len(files) == len(reads[name]) for name, files in listed.items())
    assert reads["train"] == {"library"}
    assert reads["attack"] == {"data/models/A/weights", "data/models/A/record"}
    assert reads["other"] == {"data/models/A/record"}
    made = {out for name in ("train", "attack", "other") for out in stages[name][1]}
    assert reads["tables"] == made | {"code.py"}
    edges = {(before.name, after.name) for after, before in repo.index.graph.edges}
    others = {("train", "attack"), ("train", "other"), ("attack", "tables"), ("other", "tables")}
    assert edges == others | {("train", "tables")}


def test_no_output_holds_another(tmp_path, monkeypatch):
    repo = repo_of(tmp_path, monkeypatch, {"one": ([], ["data/models"]), "two": ([], ["data/models/A"])})
    with pytest.raises(OverlappingOutputPathsError):
        pipeline.stale(repo)


def run_job(project: Project, stage: str) -> None:
    """Run a stage as Snakemake's jobs do."""
    subprocess.run(
        ["python", "workflow/job.py", stage],
        cwd=project.folder,
        env=project.environment,
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"shard": 2}, "unknown setting shard"),
        ({"shards": 0}, "shards must be .* at least 1, not 0"),
        ({"threads": "many"}, "threads must be .* not 'many'"),
    ],
)
def test_a_wrong_setting_of_a_profile_is_named(config, words):
    with pytest.raises(WorkflowError, match=words):
        pipeline.machine(config)


@pytest.mark.long
def test_a_wrong_setting_of_the_pipeline_stops_the_run_and_is_shown(project):
    project.set(**{"attack.lambda": "abc"})
    before = (project.folder / "reports/table3.csv").read_bytes()
    assert "error: params.yaml: setting attack.lambda" in project.snakemake("default", succeeds=False)
    assert (project.folder / "reports/table3.csv").read_bytes() == before


def test_a_job_asks_for_what_meta_says(built):
    words = built.snakemake("default", "--dry-run", "--forceall", "--config", "shards=3", "threads=2")
    with contextlib.chdir(built.folder), Repo() as repo:
        metas = {stage.addressing: stage.meta for stage in repo.index.stages}
    for rule in ("split", "train@A", "attack@B-p_fgvm-shard"):
        wanted, meta = resources(words, rule), metas[rule.removesuffix("-shard")]
        assert int(wanted["mem_mb"]) == meta["mem_mb"]
        assert int(wanted["runtime"]) == meta["runtime"]
        assert int(wanted["gpu"]) == meta.get("gpus", 0)
    assert re.search(r"^attack@B-p_fgvm-shard +3$", words, re.MULTILINE)
    assert "split-shard" not in words and "train@A-shard" not in words


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_sets_what_there_is_to_set(profile):
    values = YAML(typ="safe").load(ROOT / f"workflow/profiles/{profile}/config.yaml")
    settings = {item.split("=")[0] for item in values["config"]}
    assert settings <= {"shards", "gpus", "threads"}
    # Without these, Snakemake would use its own rules of staleness, and stay locked after a kill.
    assert (values["rerun-triggers"], values["rerun-incomplete"], values["nolock"]) == ("mtime", True, True)


def test_a_report_of_the_run(built, tmp_path):
    built.snakemake("default", "--report", str(tmp_path / "report.html"))
    text = (tmp_path / "report.html").read_text()
    assert "table3.csv" in text and "train@A" in text


@pytest.mark.long
def test_the_outputs_travel_by_a_dvc_remote(built, tmp_path):
    """Push, fresh clone, pull: the clone has nothing left to run."""
    storage, clone = tmp_path / "storage", tmp_path / "clone"
    built.dvc("remote", "add", "--default", "--local", "shared", str(storage))
    built.dvc("push")
    subprocess.run(["git", "clone", "--quiet", built.folder, clone], check=True, capture_output=True)
    there = Project(clone)
    there.dvc("remote", "add", "--default", "--local", "shared", str(storage))
    assert not (clone / "data/scores.csv").exists()
    there.dvc("pull", "dvc.yaml")
    assert "Running stage" not in there.dvc("repro")
    assert "Nothing to be done" in there.snakemake("default", "--dry-run")
    for name in ("data/scores.csv", "data/models/A/model.safetensors", "data/adversarial/B/p_fgvm.npy"):
        assert (clone / name).read_bytes() == (built.folder / name).read_bytes()

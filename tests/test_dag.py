"""The pipeline as dvc.yaml declares it: names, edges, and what each setting and module makes stale."""

import ast
import re
import subprocess
from pathlib import Path

import networkx
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from tests.project import ROOT

MODELS = ("A", "B")
METHODS = ("p_fgvm", "i_fgvm", "i_fgsm", "noise", "random")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
# What only checks: neither changes a result.
CHECKS = {"pfgvm/errors.py", "pfgvm/settings.py"}


@pytest.fixture(scope="module")
def repo():
    with Repo(ROOT) as opened:
        yield opened


@pytest.fixture(scope="module")
def stages(repo):
    return {stage.name: stage for stage in repo.index.stages}


def paths(items) -> set[str]:
    """The files among a stage's dependencies or outputs."""
    return {str(Path(item.fs_path).relative_to(ROOT)) for item in items if not hasattr(item, "params")}


def after(repo, stages, names: set[str]) -> set[str]:
    """The stages `names` and all that follow them."""
    downstream = repo.index.graph.reverse()
    found = {stages[name] for name in names}
    return {stage.name for start in found for stage in {start} | networkx.descendants(downstream, start)}


def test_stage_names(stages):
    cells = {f"{stage}@{model}" for stage in ("train", *METHODS) for model in MODELS}
    scores = {f"score@{model}-{method}" for model in MODELS for method in METHODS}
    assert set(stages) == {"settings", "select", "split", "scores", "report"} | cells | scores


def test_every_stage_says_what_it_is_and_what_it_wants(stages):
    for stage in stages.values():
        assert stage.desc, stage.name
        assert {"mem_mb", "runtime"} <= set(stage.meta), stage.name


def test_every_dependency_is_committed_or_made_upstream(stages):
    made = {path for stage in stages.values() for path in paths(stage.outs)}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    committed = set(listed.stdout.splitlines())
    for stage in stages.values():
        for path in paths(stage.deps):
            assert any(file == path or file.startswith(f"{path}/") for file in made | committed), (stage.name, path)


def test_a_stage_depends_on_the_very_modules_it_runs(stages):
    for stage in stages.values():
        program = "stages/" + stage.cmd.split("stages.")[1].split()[0] + ".py"
        declared = {path for path in paths(stage.deps) if path.startswith(("pfgvm", "stages"))}
        folders = {path for path in declared if (ROOT / path).is_dir()}
        used = modules(program) - CHECKS
        covered = {path for path in used if any(path.startswith(f"{folder}/") for folder in folders)}
        assert used - covered == declared - folders - CHECKS, stage.name
        assert all(any(path.startswith(f"{folder}/") for path in used) for folder in folders), stage.name


def modules(program: str) -> set[str]:
    """The project's modules that `program` imports, straight or through others, itself among them."""
    found, open_ends = set(), [program]
    while open_ends:
        path = open_ends.pop()
        if path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                files = [name.replace(".", "/") + ".py" for name in names if name.split(".")[0] in ("pfgvm", "stages")]
                open_ends += [file for file in files if (ROOT / file).is_file()]
    return found


def test_every_setting_is_tracked_by_some_stage(stages):
    tracked = {key for stage in stages.values() for dep in stage.deps for key in getattr(dep, "params", [])}
    for key in leaves(YAML(typ="safe").load(ROOT / "params.yaml")):
        assert any(key == name or key.startswith(f"{name}.") for name in tracked), key


def leaves(values: dict, prefix: str = "") -> list[str]:
    """The dotted keys of all values in the nested mapping `values`."""
    return [
        leaf
        for key, value in values.items()
        for leaf in (leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"])
    ]


P_FGVM_ALONE = ["p_fgvm", "noise", "random"]


@pytest.mark.parametrize(
    ("setting", "cells"),
    [
        ("attack.lambda", P_FGVM_ALONE),
        ("attack.p_fgvm.step_size", P_FGVM_ALONE),
        ("attack.i_fgvm.epsilon", ["i_fgvm"]),
        ("attack.i_fgsm.iterations", ["i_fgsm"]),
        ("attack.noise_std", ["noise"]),
    ],
)
def test_what_a_setting_of_one_attack_makes_stale(repo, stages, setting, cells):
    tracking = {stage.name for stage in stages.values() for dep in stage.deps if setting in getattr(dep, "params", [])}
    expected = {f"{cell}@{model}" for cell in cells for model in MODELS}
    expected |= {f"score@{model}-{cell}" for cell in cells for model in MODELS}
    assert after(repo, stages, tracking) == expected | {"scores", "report"}


def test_a_setting_of_one_model_leaves_the_other(repo, stages):
    assert "train@A" not in after(repo, stages, {"train@B"})
    assert not {name for name in after(repo, stages, {"train@B"}) if "@A" in name}


def test_neither_library_nor_stages_import_what_runs_them():
    for path in [*ROOT.glob("pfgvm/**/*.py"), *ROOT.glob("stages/*.py")]:
        assert not {name.split(".")[0] for name in imported(path)} & {"dvc", "snakemake"}, path


def test_the_library_names_no_file_of_the_pipeline():
    for path in ROOT.glob("pfgvm/**/*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, DOCUMENTED)}
        strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} - docstrings
        named = [text for text in strings if isinstance(text, str) and re.search(r"params\.yaml|(data|reports)/", text)]
        assert not named, (path, named)


def imported(path: Path) -> set[str]:
    """The modules that the file at `path` imports by name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names

"""The pipeline as dvc.yaml declares it: names, edges, and what each setting and module makes stale."""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import networkx
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from stages.common.methods import load_method
from tests.project import ROOT

MODELS = ("A", "B")
PAPER_METHODS = ("p_fgvm", "i_fgvm", "i_fgsm")
METHODS = (*PAPER_METHODS, "p_fgvm_noise", "random_equal_l2")
STANDS_ON = {"p_fgvm_noise": ["p_fgvm"]}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
# What only checks, or says how threads wait: none changes a result.
CHECKS = {"pfgvm/errors.py", "pfgvm/settings.py", "stages/__init__.py"}


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
    single = {"settings", "select", "split", "scores", "tables", "figures", "page"}
    single |= {"features", "clean", "old_ways", "external", "calibration", "gallery", "evaluate_free", "visibility"}
    single |= {"curves", "findings", "protection", "pictures"}
    by_model = {
        f"{stage}@{model}"
        for stage in ("train", "trajectory", "references", "score_more", "evaluate_more", "curve")
        for model in MODELS
    }
    by_set = {
        f"{stage}@{model}-{method}"
        for stage in ("attack", "score", "evaluate")
        for model in MODELS
        for method in METHODS
    }
    assert set(stages) == single | by_model | by_set


def test_the_list_of_stages_stays_short():
    assert len((ROOT / "dvc.yaml").read_text("utf-8").splitlines()) <= 550


def test_the_lock_file_holds_no_stage_that_is_gone(stages):
    # DVC writes all of it anew after each stage, which takes as long as it is long.
    locked = YAML(typ="safe", pure=True).load(ROOT / "dvc.lock")["stages"]
    assert set(locked) == set(stages)


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


# Loads what each stage's process loads, each in a process of its own, and prints the project's files among it. What
# takes seconds is loaded beforehand, once for all.
LOADER = """
import importlib, os, sys
import cv2, pandas, torch
from torchvision.transforms import functional
for line in sys.stdin:
    if process := os.fork():
        assert os.waitpid(process, 0)[1] == 0
        continue
    program, *method = line.split()
    importlib.import_module(f"stages.{program}")
    if method:
        from stages.common.methods import load_method
        load_method(*method)
    modules = [(name.split(".")[0], getattr(module, "__file__", None)) for name, module in sys.modules.items()]
    print(*sorted(file for room, file in modules if file and room in ("pfgvm", "stages")), sep="\t", flush=True)
    os._exit(0)
"""


@functools.cache
def loader() -> subprocess.Popen:
    command = [sys.executable, "-c", LOADER]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@functools.cache
def loaded(*words: str) -> set[str]:
    """The project's files that run in the process of a stage: the program, and the method where it takes one."""
    process = loader()
    print(*words, file=process.stdin, flush=True)
    names = process.stdout.readline().rstrip("\n").split("\t")
    files = {str(Path(name).relative_to(ROOT)) for name in names}
    return {file for file in files - CHECKS if not is_docstring_alone(file)}


def is_docstring_alone(file: str) -> bool:
    """Whether nothing runs when the module is loaded."""
    return all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for node in ast.parse((ROOT / file).read_text("utf-8")).body
    )


def test_a_stage_depends_on_all_code_that_it_runs_and_on_no_other(stages):
    for stage in stages.values():
        declared = {path for path in paths(stage.deps) if path.startswith(("pfgvm", "stages"))} - CHECKS
        programs = re.findall(r"(?<=-m stages\.)\w+|(?<= -- )\w+", stage.cmd)
        methods = methods_of(stage)
        used = set().union(*(loaded(program) for program in programs))
        used |= set().union(*(loaded(programs[-1], method) for method in methods))
        # What runs as another stage, whose images this one follows.
        declared -= {f"pfgvm/attacks/methods/{load_method(method).follows}.py" for method in methods}
        assert {file for file in used if not any(within(file, path) for path in declared)} == set(), stage.name
        assert {path for path in declared if not any(within(file, path) for file in used)} == set(), stage.name


def methods_of(stage) -> list[str]:
    """The methods that `stage` is told to run, where it takes any."""
    named = re.findall(r"(?<=--method )\S+", stage.cmd)
    if named not in (["{}"], ["{stem}"]):
        return named
    names = re.search(r"-m stages\.each \S+ (\S+) --", stage.cmd)[1].split(",")
    return [name.rpartition("/")[2] for name in names]


def within(file: str, path: str) -> bool:
    return file == path or file.startswith(f"{path}/")


@pytest.mark.parametrize("method", METHODS)
def test_a_method_loads_no_other_but_those_it_stands_on(method):
    folder = "pfgvm/attacks/methods"
    others = {path for path in loaded("attack", method) if path.startswith(folder)}
    assert others == {f"{folder}/{name}.py" for name in {method, *STANDS_ON.get(method, ())}}


def test_what_a_method_follows_is_there_first(stages):
    for method in METHODS:
        follows = load_method(method).follows
        for model in MODELS:
            expected = {f"data/adversarial/{model}/{follows}.npy"} if follows else set()
            read = {path for path in paths(stages[f"attack@{model}-{method}"].deps) if "adversarial" in path}
            assert read == expected


@pytest.mark.parametrize(
    "program",
    ["settings", "select", "tables", "figures", "pictures", "page", "each", "calibration", "finding", "protection"],
)
def test_what_needs_no_pytorch_does_not_wait_for_it(program):
    code = f"import sys, stages.{program}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


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


P_FGVM_ALONE = ["p_fgvm", "p_fgvm_noise", "random_equal_l2"]
REPORT = {"scores", "tables", "figures", "pictures", "page", "curves", "protection", "findings"}


@pytest.mark.parametrize(
    ("setting", "methods", "trajectories"),
    [
        ("attack.lambda", P_FGVM_ALONE, True),
        ("attack.p_fgvm", P_FGVM_ALONE, True),
        ("attack.i_fgvm", ["i_fgvm"], False),
        ("attack.i_fgsm", ["i_fgsm"], False),
        ("attack.p_fgvm_noise", ["p_fgvm_noise"], True),
    ],
)
def test_what_a_setting_of_one_attack_makes_stale(repo, stages, setting, methods, trajectories):
    tracking = {stage.name for stage in stages.values() for dep in stage.deps if setting in getattr(dep, "params", [])}
    made = ("attack", "score", "evaluate")
    expected = {f"{stage}@{model}-{method}" for stage in made for model in MODELS for method in methods}
    expected |= {f"curve@{model}" for model in MODELS if set(methods) & set(PAPER_METHODS)}
    expected |= {"visibility"} if set(methods) & set(PAPER_METHODS) else set()
    expected |= {f"trajectory@{model}" for model in MODELS if trajectories}
    assert after(repo, stages, tracking) == expected | REPORT


def test_a_setting_of_one_model_leaves_the_other(repo, stages):
    assert "train@A" not in after(repo, stages, {"train@B"})
    # But each model judges the other's images.
    assert not {name for name in after(repo, stages, {"train@B"}) if "@A" in name and "evaluate" not in name}


def test_the_page_alone_follows_from_its_style(stages):
    assert [stage.name for stage in stages.values() if "reports/page" in paths(stage.deps)] == ["page"]


def test_neither_library_nor_stages_import_what_runs_them():
    for path in [*ROOT.glob("pfgvm/**/*.py"), *ROOT.glob("stages/**/*.py")]:
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

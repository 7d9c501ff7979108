"""Both pipelines as declared in dvc.yaml: names, edges, and the stages that each setting and module makes stale."""

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

from pfgvm.methods import METHODS
from tests.project import ROOT

EVALUATION = "stages/evaluation/dvc.yaml"
MODELS = ("A", "B")
PAPER_METHODS = ("p_fgvm", "i_fgvm", "i_fgsm")
PAPER_SETS = (*PAPER_METHODS, "p_fgvm_noise", "random_equal_l2")
MINIMUM_NORM = ("ddn", "fmn", "cw_l2")
WITHOUT_MODEL = (
    *("p_fgvm_features", "p_fgvm_shape", "p_fgvm_shape_strong", "random_shape"),
    *("clean", "pixelation", "gaussian_blur", "masking", "k_same"),
)
# The methods that a method imports, and its program if that is not `attack`.
STANDS_ON = {"p_fgvm_noise": ["p_fgvm"]}
PROGRAMS = {"p_fgvm_noise": "noise", "random_equal_l2": "control"}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
# Modules on which no result depends: checks, and the waiting of threads.
CHECKS = {"pfgvm/errors.py", "pfgvm/settings.py", "stages/__init__.py"}


@pytest.fixture(scope="module")
def repo():
    with Repo(ROOT) as opened:
        yield opened


@pytest.fixture(scope="module")
def stages(repo):
    """The stages of both pipelines by their addresses."""
    return {stage.addressing: stage for stage in repo.index.stages}


def paths(items) -> set[str]:
    """The files among a stage's dependencies or outputs."""
    return {str(Path(item.fs_path).relative_to(ROOT)) for item in items if not hasattr(item, "params")}


def after(repo, stages, addresses: set[str]) -> set[str]:
    """The stages at `addresses` and all stages downstream."""
    downstream = repo.index.graph.reverse()
    starts = {stages[address] for address in addresses}
    return {stage.addressing for start in starts for stage in {start} | networkx.descendants(downstream, start)}


def cells(stage: str, models, methods) -> set[str]:
    return {f"{stage}@{model}-{method}" for model in models for method in methods}


def of_evaluation(*names: str) -> set[str]:
    return {f"{EVALUATION}:{name}" for name in names}


def test_stage_names(stages):
    paper = {"settings", "select", "split", "scores", "tables", "figures", "pictures", "page"}
    paper |= {f"{stage}@{model}" for stage in ("train", "noise", "control", "trajectory") for model in MODELS}
    paper |= cells("attack", MODELS, PAPER_METHODS) | cells("score", MODELS, PAPER_SETS)
    added = {f"{model}-{method}" for model in MODELS for method in MINIMUM_NORM}
    added |= {f"any-{method}" for method in WITHOUT_MODEL}
    names = {f"{stage}@{name}" for stage in ("attack", "score", "evaluate") for name in added}
    names |= cells("evaluate_given", MODELS, PAPER_SETS) | {"evaluate_given@any-external"}
    names |= cells("curve", MODELS, PAPER_METHODS) | cells("strengths", ["B"], PAPER_METHODS)
    names |= {
        f"strengths@any-{method}" for method in ("p_fgvm_features", "p_fgvm_shape", "pixelation", "gaussian_blur")
    }
    names |= {"settings", "external", "score_external", "calibration", "gallery", "recognition", "robustness"}
    names |= {"adaptive", "quality", "visibility", "curves", "minimum_norm", "tables", "figures", "pictures", "page"}
    assert set(stages) == paper | of_evaluation(*names)


def test_the_paper_s_pipeline_does_not_follow_from_the_evaluation(repo, stages):
    paper = {address for address in stages if not address.startswith(EVALUATION)}
    upstream = {
        stage.addressing for address in paper for stage in networkx.descendants(repo.index.graph, stages[address])
    }
    assert upstream <= paper


@pytest.mark.parametrize("file", ["dvc.yaml", EVALUATION])
def test_a_lock_file_holds_no_stage_that_is_gone(stages, file):
    # DVC rewrites the whole file after each stage, in time proportional to its length.
    locked = YAML(typ="safe", pure=True).load((ROOT / file).with_suffix(".lock"))["stages"]
    assert set(locked) == {stage.name for stage in stages.values() if Path(stage.path) == ROOT / file}


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


# Imports each stage's program in a separate process and prints the project's files among its modules. Slow packages are
# imported beforehand, once.
LOADER = """
import importlib, os, sys
import cv2, pandas, torch
from torchvision.transforms import functional
for line in sys.stdin:
    if process := os.fork():
        assert os.waitpid(process, 0)[1] == 0
        continue
    program, *method = line.split()
    importlib.import_module(program)
    if method:
        from stages.adversarial.method_modules import load_method
        load_method(*method)
    # Modules that these import on demand.
    if "pfgvm.models.target_models" in sys.modules:
        import pfgvm.models.dlib_descriptor, pfgvm.models.vgg_face
    if "pfgvm.evaluation.recognition.recognisers" in sys.modules:
        import pfgvm.evaluation.recognition.alignment, pfgvm.evaluation.recognition.onnx_network
        import pfgvm.models.dlib_descriptor
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
    """The project's files that a stage's process imports, given the program and its method, if any."""
    process = loader()
    print(*words, file=process.stdin, flush=True)
    names = process.stdout.readline().rstrip("\n").split("\t")
    files = {str(Path(name).relative_to(ROOT)) for name in names}
    return {file for file in files - CHECKS if not is_docstring_alone(file)}


def is_docstring_alone(file: str) -> bool:
    """Whether the module contains no code except its docstring."""
    return all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for node in ast.parse((ROOT / file).read_text("utf-8")).body
    )


def test_a_stage_depends_on_all_code_that_it_runs_and_on_no_other(stages):
    for stage in stages.values():
        declared = {path for path in paths(stage.deps) if path.startswith(("pfgvm", "stages"))} - CHECKS
        [program] = re.findall(r"-m (stages\.\S+)", stage.cmd)
        used = loaded(program, *re.findall(r"(?<=--method )\S+", stage.cmd)) | loaded(program)
        used |= set().union(*(loaded(program, key) for key, name in PROGRAMS.items() if program == f"stages.{name}"))
        missing = {file for file in used if not any(within(file, path) for path in declared)}
        unused = {path for path in declared if not any(within(file, path) for file in used)}
        assert (missing, unused) == (set(), set()), stage.addressing


def test_a_stage_depends_on_all_files_that_its_command_names(stages):
    for stage in stages.values():
        made = paths(stage.outs)
        named = {word for word in stage.cmd.split() if word.startswith(("data/", "reports/"))}
        for path in named:
            declared = paths(stage.deps) | made
            assert any(within(other, path) or within(path, other) for other in declared), (stage.addressing, path)


def within(file: str, path: str) -> bool:
    return file == path or file.startswith(f"{path}/")


@pytest.mark.parametrize("method", [method.key for method in METHODS])
def test_a_method_loads_no_other_but_those_it_stands_on(method):
    folder = "pfgvm/attacks/methods"
    program = PROGRAMS.get(method, "attack")
    others = {path for path in loaded(f"stages.{program}", method) if path.startswith(folder)}
    assert others == {f"{folder}/{name}.py" for name in {method, *STANDS_ON.get(method, ())}}


@pytest.mark.parametrize(
    "program",
    [
        *("settings", "select", "scores", "tables", "figures", "pictures", "page"),
        *(f"evaluation.{name}" for name in ("calibration", "tables", "figures", "pictures", "page", "curves")),
    ],
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


REPORT = {"scores", "tables", "figures", "pictures", "page"}
OF_P_FGVM = cells("attack", MODELS, ["p_fgvm"]) | {f"{s}@{m}" for s in ("noise", "control") for m in MODELS}


def of_paper(addresses: set[str]) -> set[str]:
    return {address for address in addresses if not address.startswith(EVALUATION)}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("attack.lambda", OF_P_FGVM | {f"trajectory@{model}" for model in MODELS}),
        ("attack.p_fgvm", OF_P_FGVM | {f"trajectory@{model}" for model in MODELS}),
        ("attack.i_fgvm", cells("attack", MODELS, ["i_fgvm"])),
        ("attack.i_fgsm", cells("attack", MODELS, ["i_fgsm"])),
        ("attack.p_fgvm_noise", {f"{stage}@{model}" for stage in ("noise", "trajectory") for model in MODELS}),
        ("attack.ddn", set()),
        ("attack.pixelation", set()),
        ("evaluation.recognisers", set()),
    ],
)
def test_what_a_setting_makes_stale_in_the_paper_s_pipeline(repo, stages, setting, expected):
    tracking = {
        stage.addressing for stage in stages.values() for dep in stage.deps if setting in getattr(dep, "params", [])
    }
    stale = of_paper(after(repo, stages, tracking))
    made = {address for address in stale if not address.startswith(("score@", *REPORT))}
    assert made == expected
    assert {address for address in stale if address.startswith("score@")} == {
        f"score@{stage.name.partition('@')[2]}"
        if "-" in stage.name
        else f"score@{stage.name[-1]}-{'p_fgvm_noise' if 'noise' in stage.name else 'random_equal_l2'}"
        for stage in (stages[address] for address in expected if "trajectory" not in address)
    }
    assert tracking


@pytest.mark.parametrize("setting", ["attack.lambda", "attack.i_fgvm.epsilon"])
def test_a_new_lambda_evaluates_no_other_set_anew(repo, stages, setting):
    tracking = {
        stage.addressing for stage in stages.values() for dep in stage.deps if setting in getattr(dep, "params", [])
    }
    evaluated = {address for address in after(repo, stages, tracking) if "evaluate" in address.partition(":")[2]}
    changed = ["p_fgvm", "p_fgvm_noise", "random_equal_l2"] if setting == "attack.lambda" else ["i_fgvm"]
    assert evaluated == of_evaluation(*cells("evaluate_given", MODELS, changed))


def test_a_setting_of_one_model_leaves_the_other(repo, stages):
    stale = of_paper(after(repo, stages, {"train@B"}))
    assert not {address for address in stale if "@A" in address}


# Beginnings of stage names for an edited file: the first group must become stale, the second must not.
EDITS = {
    "pfgvm/attacks/methods/i_fgsm.py": ({"attack@A-i_fgsm"}, {"train", "attack@A-p_fgvm", "noise", "control"}),
    "pfgvm/attacks/common/gradient.py": ({"attack", "noise", "control"}, {"train", "select", "split"}),
    "pfgvm/attacks/methods/ddn.py": (of_evaluation("attack@A-ddn"), {"train", "attack", "score", "tables", "page"}),
    "pfgvm/methods.py": ({"scores", "tables", "page"}, {"train", "attack", "noise", "control", "score@"}),
    "pfgvm/evaluation/metrics.py": ({"score@"}, {"train", "attack", "noise", "control"}),
    "pfgvm/evaluation/transforms.py": (of_evaluation("evaluate"), {"train", "attack", "score", "tables", "page"}),
    "pfgvm/evaluation/recognition/recognisers.py": (of_evaluation("gallery"), {"train", "attack", "score", "tables"}),
    "pfgvm/report/table3.py": ({"tables", "page"}, {"train", "attack", "score", "noise", "control"}),
    "pfgvm/report/evaluation/summary.py": (of_evaluation("tables"), {"train", "attack", "score", "noise", "control"}),
    "pfgvm/models/training.py": ({"train"}, {"select", "split"}),
    "pfgvm/photographs/protection.py": (set(), {""}),
    "stages/adversarial/making.py": ({"attack", "noise", "control"}, {"train", "select", "split", "score@"}),
    "stages/reporting/image_sets.py": ({"pictures"}, {"train", "attack", "score@", "noise", "control"}),
    "stages/evaluation/evaluate.py": (of_evaluation("evaluate"), {"train", "attack", "score", "tables", "page"}),
    "reports/page/style.css": ({"page"}, {"tables", "figures", "train", "attack", "score"}),
}


@pytest.mark.parametrize("file", EDITS)
def test_which_stages_an_edit_makes_stale(stages, file):
    needed, spared = EDITS[file]
    reading = {address for address, stage in stages.items() if any(within(file, path) for path in paths(stage.deps))}
    assert not {start for start in needed if not any(address.startswith(start) for address in reading)}
    assert not {address for address in reading for start in spared if address.startswith(start)}


def test_the_page_alone_follows_from_its_style(stages):
    assert {stage.name for stage in stages.values() if "reports/page" in paths(stage.deps)} == {"page"}


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

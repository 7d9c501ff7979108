"""Run the pipeline at other settings, each in a copy of the project that stores its results."""

import functools
import operator
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ruamel.yaml import YAML

from pfgvm.errors import InputError
from stages.common.files import atomic_write
from stages.common.program import SETTINGS, read_settings
from tools.commands import output_of

# In .gitignore and .dvcignore. An existing copy is updated, so that only stale stages run.
COPIES = Path(".variants")
# Other tools' images belong to the project's attacked images; a copy may attack others.
_EXTERNAL, _ABOUT_EXTERNAL = "data/external/", "data/external/README.md"


def run_variant(name: str, settings: Mapping[str, object], targets: Sequence[str]) -> Path:
    """Run the stages `targets` and their dependencies with `settings` (dotted keys); returns the copy's folder.

    The copy shares the project's DVC cache and does not touch its files, settings or experiments. A killed run
    resumes. Raises InputError outside a clone, and for a failed stage.
    """
    copy = COPIES / name
    _bring_up_to_date(copy)
    project_settings = read_settings()
    # Relative paths of faces, weights and recognisers would break in the copy.
    paths = {
        "data.root": project_settings.data.root,
        "train.B.weights": project_settings.train.B.weights,
        "evaluation.root": project_settings.evaluation.root,
    }
    changed = {key: str(Path(path).absolute()) for key, path in paths.items()} | settings
    _set_parameters(copy / SETTINGS, changed)
    _run(copy, "dvc", "repro", *targets)
    return copy


def _set_parameters(path: Path, values: Mapping[str, object]) -> None:
    yaml = YAML()
    settings = yaml.load(path)
    for key, value in values.items():
        *sections, name = key.split(".")
        functools.reduce(operator.getitem, sections, settings)[name] = value
    with atomic_write(path) as partial:
        yaml.dump(settings, partial)


def _bring_up_to_date(copy: Path) -> None:
    wanted = {
        name
        for name in _listed(Path())
        if Path(name).is_file() and (name == _ABOUT_EXTERNAL or not name.startswith(_EXTERNAL))
    }
    copy.mkdir(parents=True, exist_ok=True)
    # Stages depend on whole folders, so a file deleted in the project must be deleted in the copy.
    for name in _listed(copy) - wanted - {"dvc.lock"}:
        (copy / name).unlink(missing_ok=True)
    for name in wanted:
        # The copy's own dvc.lock records what has run there.
        if not (name == "dvc.lock" and (copy / name).exists()):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, copy / name)
    cache = output_of(sys.executable, "-m", "dvc", "cache", "dir").strip()
    quote = "'" if '"' in cache else '"'
    config = f"[core]\n    no_scm = true\n[cache]\n    dir = {quote}{cache}{quote}\n"
    (copy / ".dvc/config.local").write_text(config, "utf-8")


def _listed(folder: Path) -> set[str]:
    """The files in `folder` that are in Git's index, or untracked and not ignored."""
    git_folder = Path(output_of("git", "rev-parse", "--git-dir").strip()).absolute()
    command = ("git", f"--git-dir={git_folder}", f"--work-tree={folder.absolute()}", "-C", str(folder))
    return set(output_of(*command, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")) - {""}


def _run(copy: Path, module: str, *arguments: str) -> None:
    # Stage commands call `python`; DVC does not put its own environment on PATH.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=copy, env=os.environ | {"PATH": path, "PYTHONPATH": ""})
    if done.returncode:
        raise InputError(f"{copy}: {' '.join([module, *arguments])} failed; see its message above")

"""Keep the results of a finished run (for maintainers): python -m tools.collect --run CLONE --results bundled.

A run is made in a clone of the project, at a commit, with settings of its own. Its tables are copied to `reports/`, and
reports/runs.json records the commit, the settings that differ from the commit's, and the machine.
"""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.machine import described
from pfgvm.errors import InputError
from stages.common.files import atomic_write
from stages.common.program import SETTINGS, run
from tools.commands import output_of

RUNS = Path("reports/runs.json")
# DVC files, whose stages must be up to date, and copied files: path in the clone to path here. The identities of real
# people, and what shows their faces, stay in the clone.
RESULTS: Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "bundled": (
        ("dvc.yaml", "stages/evaluation/dvc.yaml"),
        {name: name for name in ("reports", "dvc.lock", "stages/evaluation/dvc.lock")},
    ),
    "bundled-seeds": ((), {f"reports/seeds.{ending}": f"reports/seeds.{ending}" for ending in ("csv", "md")}),
    "celeba": (
        ("dvc.yaml",),
        {f"reports/{name}": f"reports/celeba/{name}" for name in ("table3.csv", "table4.csv", "differences.csv")},
    ),
    "celeba-evaluation": (
        ("dvc.yaml", "stages/evaluation/dvc.yaml"),
        {"reports/evaluation/table3.csv": "reports/celeba/table3_evaluated.csv"}
        | {
            f"reports/evaluation/{name}.csv": f"reports/celeba/{name}.csv"
            for name in (
                "adaptive", "curves", "equal_mr", "minimum_norm", "quality", "recognition", "robustness", "thresholds",
                "transfer", "visibility",
            )
        },
    ),
    "celeba-readings": ((), {"reports/readings.csv": "reports/celeba/readings.csv"}),
    "celeba-seeds": ((), {"reports/seeds.csv": "reports/celeba/seeds.csv"}),
    "celeba-ablation": ((), {"reports/ablation.csv": "reports/celeba/ablation.csv"}),
}  # fmt: skip
# What a run changes: its settings and its results.
_CHANGED = (SETTINGS.as_posix(), "dvc.lock", "stages/evaluation/dvc.lock", "reports/")
# Files in reports/ that a run reads.
_INPUTS = ("reports/page/", "reports/paper.yaml")


def main(*, run: Path, results: list[str]) -> None:
    """Copy the `results`, of RESULTS, of the finished run in the clone `run`, and record how they were made.

    Raises InputError for unknown results, changed code, and stages that are not up to date.
    """
    for name in results:
        if name not in RESULTS:
            raise InputError(f"--results {name}: is unknown; use one of {', '.join(RESULTS)}")
    record = made_by(run)
    for name in results:
        for pipeline in RESULTS[name][0]:
            if output_of(sys.executable, "-m", "dvc", "--cd", str(run), "status", "--json", pipeline).strip() != "{}":
                raise InputError(f"{run / pipeline}: is not up to date; run `dvc repro {pipeline}` there")
    for name in results:
        for source, target in RESULTS[name][1].items():
            for path in tracked(run, source) if (run / source).is_dir() else [source]:
                shutil.copyfile(run / path, target + path.removeprefix(source))
    records = json.loads(RUNS.read_text("utf-8")) if RUNS.exists() else {}
    records |= dict.fromkeys(results, record)
    with atomic_write(RUNS) as partial:
        partial.write_text(json.dumps(records, indent=2, ensure_ascii=False) + "\n", "utf-8")


def made_by(clone: Path) -> dict[str, Any]:
    """The commit and changed settings of the run in `clone`, and this machine, which made it.

    Raises InputError if other files are changed.
    """
    options = ("--porcelain", "-z", "--no-renames", "--untracked-files=all")
    changed = [line[3:] for line in output_of("git", "-C", str(clone), "status", *options).split("\0") if line]
    if foreign := [path for path in changed if not path.startswith(_CHANGED) or path.startswith(_INPUTS)]:
        raise InputError(f"{clone}: {', '.join(foreign)} differ from its commit; commit them and run again")
    yaml = YAML(typ="safe", pure=True)
    committed = dict(leaves(yaml.load(output_of("git", "-C", str(clone), "show", f"HEAD:{SETTINGS}"))))
    settings = dict(leaves(yaml.load(clone / SETTINGS)))
    return {
        "commit": output_of("git", "-C", str(clone), "rev-parse", "--short=12", "HEAD").strip(),
        # A folder's path says nothing elsewhere.
        "settings": {
            key: value for key, value in settings.items() if value != committed.get(key) and not key.endswith("root")
        },
        "machine": described(),
    }


def leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The settings as pairs of dotted key and value."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def tracked(clone: Path, path: str) -> list[str]:
    """The results in the folder `path` that Git tracks in `clone`, without those of other runs."""
    others = [f":!{name}" for name in (RUNS.as_posix(), "reports/celeba", "reports/seeds.*", *_INPUTS)]
    return output_of("git", "-C", str(clone), "ls-files", "--", path, *others).splitlines()


if __name__ == "__main__":
    run(main)

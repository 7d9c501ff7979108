"""Measure the named rows, or all rows possible on this machine: python -m benchmarks [ROW …].

The measurements are stored in benchmarks/results/<machine>.json, with a table of all of them in <machine>.md.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from benchmarks import attack_speed, machine, mssim_speed, pipeline_speed, speed_table, training_speed
from benchmarks.measurement import Measurement
from benchmarks.workloads import ROOT
from stages.common.files import atomic_write

RESULTS = Path(__file__).parent / "results"
ROWS: dict[str, Callable[[], Iterator[Measurement]]] = {
    "attack-a": partial(attack_speed.against_libraries, "A", "cpu"),
    "attack-a-memory-kept": partial(attack_speed.memory_kept, "A"),
    "attack-b": partial(attack_speed.against_libraries, "B", "cpu"),
    "training": partial(training_speed.against_a_plain_loop, "cpu"),
    "mssim": mssim_speed.against_scikit_image,
    "pipeline": pipeline_speed.bundled_run,
    "attack-a-gpu": partial(attack_speed.against_libraries, "A", "cuda"),
    "attack-b-gpu": partial(attack_speed.against_libraries, "B", "cuda"),
    "training-gpu": partial(training_speed.against_a_plain_loop, "cuda"),
}


def main() -> None:
    """Measure each row in a separate process, so that rows share neither memory nor settings."""
    possible = [row for row in ROWS if torch.cuda.is_available() or not row.endswith("-gpu")]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    rows = parser.parse_args().rows or possible
    if impossible := [row for row in rows if row not in possible]:
        parser.error(f"{', '.join(impossible)}: cannot be measured here; name one of {', '.join(possible)}")
    if len(rows) == 1:
        print(measure(rows[0]))
    elif failed := [row for row in rows if subprocess.run([sys.executable, "-m", "benchmarks", row]).returncode]:
        sys.exit(f"error: not measured: {', '.join(failed)}; see the messages above")


def measure(row: str) -> str:
    """Measure `row`, store its measurements, and return the table of all measurements on this machine."""
    here = machine.described()
    file = RESULTS / f"{machine.slug(here)}.json"
    for measurement in ROWS[row]():
        measured = json.loads(file.read_text("utf-8")) if file.exists() else {}
        # Rows of other versions of Python or PyTorch are not comparable, and are dropped.
        if measured.get("machine") != here:
            measured = {"machine": here, "results": {}}
        entry = asdict(measurement) | {"measured_by": row, "commit": _commit()}
        measured["results"][measurement.row] = entry
        with atomic_write(file) as partial_file:
            partial_file.write_text(json.dumps(measured, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return speed_table.write(file, list(ROWS))


def _commit() -> str:
    """The current commit, with `-dirty` if tracked files other than benchmarks/results differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{RESULTS.relative_to(ROOT)}")
    return git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


if __name__ == "__main__":
    main()

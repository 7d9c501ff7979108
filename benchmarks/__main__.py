"""Measure the rows named, or all: python -m benchmarks [ROW …].

Each row runs in a process of its own and is kept in benchmarks/results/<machine>.json as soon as it is measured; the
table beside it is written anew from all that are there.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from benchmarks import attacks, chip, machine, pipeline, selection, similarity, table, training
from benchmarks.subjects import ROOT
from stages.io import write_whole

RESULTS = Path(__file__).parent / "results"
CPU = {
    "attack-a": partial(attacks.against_libraries, "A", "cpu"),
    "attack-b": partial(attacks.against_libraries, "B", "cpu"),
    "attack-a-kept": partial(attacks.against_libraries, "A", "cpu", kept=True),
    "attack-b-kept": partial(attacks.against_libraries, "B", "cpu", kept=True),
    "chip-a": partial(chip.against_the_chip, "A", "cpu"),
    "chip-b": partial(chip.against_the_chip, "B", "cpu"),
    "training": partial(training.against_a_plain_loop, "cpu"),
    "training-error": partial(training.error_of_both, "cpu"),
    "mssim": similarity.against_scikit_image,
    "selection": selection.against_torchvision,
    "pipeline": pipeline.bundled_run,
}
GPU = {
    "attack-a-gpu": partial(attacks.against_libraries, "A", "cuda"),
    "attack-b-gpu": partial(attacks.against_libraries, "B", "cuda"),
    "chip-a-gpu": partial(chip.against_the_chip, "A", "cuda"),
    "chip-b-gpu": partial(chip.against_the_chip, "B", "cuda"),
    "training-gpu": partial(training.against_a_plain_loop, "cuda"),
    "training-error-gpu": partial(training.error_of_both, "cuda"),
    "paper-gpu": pipeline.paper_on_gpu,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(CPU | GPU))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.rows) - set(CPU | GPU):
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(CPU | GPU)}")
    if not torch.cuda.is_available() and (needy := set(options.rows) & set(GPU)):
        parser.error(f"{', '.join(sorted(needy))}: wants a CUDA GPU, and there is none here")
    if options.here:
        for row in options.rows:
            keep(row)
        return
    wanted = options.rows or [*CPU, *(GPU if torch.cuda.is_available() else [])]
    failed = [row for row in wanted if subprocess.run([sys.executable, "-m", "benchmarks", "--here", row]).returncode]
    file = RESULTS / f"{machine.slug(machine.described())}.json"
    if file.exists():
        print(table.write(file, list(CPU | GPU)))
    if failed:
        sys.exit(f"error: not measured: {', '.join(failed)}; the reasons are above")


def keep(row: str) -> None:
    """Measure `row` and keep what it gives."""
    here = machine.described()
    file = RESULTS / f"{machine.slug(here)}.json"
    for result in (CPU | GPU)[row]():
        kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"machine": here, "results": {}}
        entry = asdict(result) | {"measured_by": row, "commit": _commit(), "versions": here}
        kept["results"][result.row] = entry
        with write_whole(file) as partial:
            partial.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{result.row}: {result.ours} {result.others} {result.checks}", flush=True)


def _commit() -> str:
    """The commit that is checked out; `-dirty` where its files are changed, other than results by the rows before."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    commit = git("rev-parse", "--short", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{RESULTS.relative_to(ROOT)}")
    return f"{commit}-dirty" if changed else commit


if __name__ == "__main__":
    main()

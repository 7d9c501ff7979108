"""Compare readings of the paper's open choices by their distance to its Table 3, on Model A (make readings)."""

import sys
from itertools import product
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from pfgvm.methods import PAPER_METHODS, key_of, label_of
from pfgvm.report.readings_table import of_one_reading, readings_table
from pfgvm.report.render import markdown
from stages.common.data_frames import csv_text, read_numbers
from stages.common.files import atomic_write
from stages.common.program import run
from stages.reporting.training_records import read_records
from tools.variants import run_variant

TARGETS = ("random", "least_likely", "second_most_likely")
CHECKPOINTS = ("best", "last")
METHODS = tuple(map(key_of, PAPER_METHODS))


def main(*, paper: Path, out: Path) -> None:
    """Run Model A with every target policy and checkpoint, and write readings.csv and readings.md to `out`."""
    published = YAML(typ="safe", pure=True).load(paper)
    readings = []
    for checkpoint, target in product(CHECKPOINTS, TARGETS):
        print(f"reading: target {target}, checkpoint {checkpoint}", file=sys.stderr, flush=True)
        settings = {"train.checkpoint": checkpoint, "attack.target": target}
        # One copy per checkpoint, so that its targets share the trained model.
        copy = run_variant(f"reading-{checkpoint}", settings, [f"score@A-{method}" for method in METHODS])
        scores = pd.concat(read_numbers(copy / f"data/scores/A/{method}.csv") for method in METHODS)
        scores = scores.assign(method=scores["method"].map(label_of))
        [trained] = read_records(copy / "data/models", ["A"])
        readings.append(of_one_reading(scores, trained.image_size, published, target=target, checkpoint=checkpoint))
    table = pd.concat(readings)
    files = {"readings.csv": csv_text(table), "readings.md": markdown(readings_table(table, published)).encode()}
    for name, content in files.items():
        with atomic_write(out / name) as partial:
            partial.write_bytes(content)


if __name__ == "__main__":
    run(main)

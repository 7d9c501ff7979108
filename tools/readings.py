"""Compare readings of the paper's open choices by their distance to its Table 3, on Model A (make readings)."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from pfgvm.methods import PAPER_METHODS, key_of, label_of
from pfgvm.report.readings_table import of_one_reading, readings_table
from pfgvm.report.render import markdown
from pfgvm.settings import Settings
from stages.common.data_frames import csv_text, read_numbers
from stages.common.files import atomic_write
from stages.common.program import read_settings, run
from stages.reporting.training_records import read_records
from tools.variants import run_variant

METHODS = tuple(map(key_of, PAPER_METHODS))


def readings_of(settings: Settings) -> Mapping[str, Mapping[str, object]]:
    """The readings by name, with the settings that differ: one thing at a time."""
    attack, train = settings.attack, settings.train
    iterations = {
        "attack.p_fgvm.iterations": attack.p_fgvm.iterations,
        "attack.i_fgvm.iterations": attack.i_fgvm.iterations,
        "attack.i_fgsm.iterations": attack.i_fgsm.iterations,
    }
    return {
        "as set": {},
        "target: least likely": {"attack.target": "least_likely"},
        "target: second most likely": {"attack.target": "second_most_likely"},
        "twice the iterations": {
            name: {model: 2 * value for model, value in values.items()} for name, values in iterations.items()
        },
        "last epoch": {"train.checkpoint": "last"},
        "a third of the epochs": {"train.A.epochs": max(1, train.A.epochs // 3)},
        "another training seed": {"train.seed": train.seed + 1},
    }


def main(*, paper: Path, out: Path) -> None:
    """Run Model A under each reading, and write readings.csv and readings.md to `out`."""
    published = YAML(typ="safe", pure=True).load(paper)
    readings = []
    for reading, changes in readings_of(read_settings()).items():
        print(f"reading: {reading}", file=sys.stderr, flush=True)
        # One copy per training, so that readings of the attack share the trained model.
        of_training = any(name.startswith("train.") for name in changes)
        copy = run_variant(
            f"reading-{reading.replace(' ', '-')}" if of_training else "reading",
            changes,
            [f"score@A-{method}" for method in METHODS],
        )
        scores = pd.concat(read_numbers(copy / f"data/scores/A/{method}.csv") for method in METHODS)
        scores = scores.assign(method=scores["method"].map(label_of))
        [trained] = read_records(copy / "data/models", ["A"])
        readings.append(of_one_reading(scores, trained.image_size, published, reading))
    table = pd.concat(readings)
    files = {"readings.csv": csv_text(table), "readings.md": markdown(readings_table(table, published)).encode()}
    for name, content in files.items():
        with atomic_write(out / name) as partial:
            partial.write_bytes(content)


if __name__ == "__main__":
    run(main)

"""Tables 3 and 4 over several seeds (make seeds N=5)."""

import sys
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from pfgvm.errors import InputError
from pfgvm.report.render import markdown
from pfgvm.report.seeds_tables import SEEDS_COLUMNS, of_one_seed, seeds_tables, with_summary
from stages.common.data_frames import csv_text, read_numbers
from stages.common.files import atomic_write
from stages.common.program import run
from stages.reporting.training_records import read_records
from tools.variants import run_variant

# Identities and images; their split; initial weights, batch order and dropout; targets.
SEEDS = ("subset.seed", "split.seed", "train.seed", "attack.seed")


def main(*, count: int, paper: Path, out: Path) -> None:
    """Run the pipeline with all seeds at 0, 1, … `count` − 1, and write seeds.csv and seeds.md to the folder `out`."""
    if count < 2:
        raise InputError(f"count: {count} seeds have no spread; use 2 or more")
    rows, descriptors = [], {}
    for seed in range(count):
        print(f"seed {seed} of 0 to {count - 1}", file=sys.stderr, flush=True)
        copy = run_variant(f"seed-{seed}", dict.fromkeys(SEEDS, seed), ["scores", "train@A", "train@B"])
        records = read_records(copy / "data/models")
        descriptors = {record.model: record.descriptor for record in records}
        rows.append(of_one_seed(seed, read_numbers(copy / "data/scores.csv"), records))
    summary = with_summary(pd.concat(rows))
    tables = seeds_tables(summary, YAML(typ="safe", pure=True).load(paper), descriptors)
    files = {
        "seeds.csv": csv_text(summary[SEEDS_COLUMNS]),
        "seeds.md": "\n".join(map(markdown, tables)).encode(),
    }
    for name, content in files.items():
        with atomic_write(out / name) as partial:
            partial.write_bytes(content)


if __name__ == "__main__":
    run(main)

"""Concatenate the scores of the paper's adversarial sets."""

from pathlib import Path

import pandas as pd

from pfgvm.methods import label_of
from stages.common.data_frames import read_table, write_table
from stages.common.program import run


def main(*, scores: list[Path], out: Path) -> None:
    """Concatenate the tables `scores`, one per model and method, in this order into `out`, with methods by label."""
    table = pd.concat([read_table(path) for path in scores])
    write_table(table.assign(method=table["method"].map(label_of)), out)


if __name__ == "__main__":
    run(main)

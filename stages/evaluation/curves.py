"""Compute the trade-off curves of all methods, and compare them at equal misclassification rates."""

from pathlib import Path

import pandas as pd

from pfgvm.evaluation.findings.trade_off import at_equal_mr, curves
from pfgvm.methods import PROPOSED, label_of
from stages.common.data_frames import read_numbers, write_table
from stages.common.program import run


def main(*, scores: list[Path], out: Path) -> None:
    """Write curves.csv and equal_mr.csv to the folder `out`. scores: the tables written by `curve`."""
    table = pd.concat([read_numbers(path) for path in scores])
    points = curves(table.assign(method=table["method"].map(label_of)))
    write_table(points, out / "curves.csv")
    write_table(at_equal_mr(points, PROPOSED), out / "equal_mr.csv")


if __name__ == "__main__":
    run(main)

"""Bring the scores of all cells together."""

from pathlib import Path

import pandas as pd

from stages.io import read_table, run, write_table


def main(cells: Path, out: Path) -> None:
    """Write all tables in the folder `cells` (one a model and method) as the one table `out`."""
    tables = [read_table(path) for path in sorted(cells.glob("*/*.csv"))]
    write_table(pd.concat(tables).sort_values(["model", "method", "pixels", "image"], kind="stable"), out)


if __name__ == "__main__":
    run(main)

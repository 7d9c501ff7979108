"""Tables as CSV files. Apart from `stages.io`: a stage without tables need not wait for pandas."""

from pathlib import Path

import pandas as pd

from stages.io import write_whole


def read_table(path: Path) -> pd.DataFrame:
    """A CSV table whose cells are all text (a person's name may look like a number, or like a missing value)."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write `table` to `path` as CSV, whole or not at all."""
    with write_whole(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")

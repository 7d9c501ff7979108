"""Tables as CSV files. A stage without tables does not import this: it need not wait for pandas."""

from pathlib import Path

import pandas as pd

from stages.common.files import atomic_write


def read_table(path: Path) -> pd.DataFrame:
    """A CSV table whose cells are all text (a person's name may look like a number, or like a missing value)."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


# The columns that hold words, whichever table they stand in.
_WORDS = {
    "model", "method", "recogniser", "judge", "transform", "attacker", "parameter", "other", "person", "note",
    "image", "split", "pixels", "target", "predicted_clean", "predicted",
}  # fmt: skip
_TRUTHS = {"seen", "of_settings"}


def read_numbers(path: Path) -> pd.DataFrame:
    """The CSV table in `path`: words as text, truth values as such, all else as numbers."""
    table = read_table(path)
    for name in table.columns.difference(list(_WORDS)):
        table[name] = table[name] == "True" if name in _TRUTHS else pd.to_numeric(table[name])
    return table


def csv_text(table: pd.DataFrame, header: bool = True) -> bytes:
    """`table` as CSV, with or without its column names."""
    return table.to_csv(index=False, header=header, lineterminator="\n").encode()


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write `table` to `path` as CSV, whole or not at all."""
    with atomic_write(path) as partial:
        partial.write_bytes(csv_text(table))

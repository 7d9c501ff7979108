"""Tables as CSV files; a module of its own, so that stages without tables do not load pandas."""

from pathlib import Path

import pandas as pd

from stages.common.files import atomic_write


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV table with every cell as text: an identity's name may look like a number or a missing value."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


# The text columns of all tables.
_TEXT_COLUMNS = {
    "model", "method", "recogniser", "judge", "transform", "attacker", "parameter", "other", "person", "note",
    "image", "split", "pixels", "target", "predicted_clean", "predicted",
}  # fmt: skip
_BOOLEAN_COLUMNS = {"seen", "of_settings"}


def read_numbers(path: Path) -> pd.DataFrame:
    """Read a CSV table with text, boolean and numeric columns."""
    table = read_table(path)
    for name in table.columns.difference(list(_TEXT_COLUMNS)):
        table[name] = table[name] == "True" if name in _BOOLEAN_COLUMNS else pd.to_numeric(table[name])
    return table


def csv_text(table: pd.DataFrame, header: bool = True) -> bytes:
    """`table` as CSV, with or without its column names."""
    return table.to_csv(index=False, header=header, lineterminator="\n").encode()


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write `table` to `path` as CSV, atomically."""
    with atomic_write(path) as partial:
        partial.write_bytes(csv_text(table))

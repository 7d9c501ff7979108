"""The scores of images as a table."""

from pathlib import Path

import pandas as pd

from stages.common.data_frames import read_table

WORDS = ["image", "person", "split", "model", "method", "pixels", "target", "predicted_clean", "predicted"]


def read_scores(path: Path) -> pd.DataFrame:
    """The scores in the CSV `path`, names as text, metrics and confidences as numbers."""
    table = read_table(path)
    return table.astype(dict.fromkeys(table.columns.difference(WORDS), float))

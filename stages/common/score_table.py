"""The scores of images as a table."""

from pathlib import Path

import pandas as pd

from pfgvm.evaluation.metrics import METRICS
from stages.common.data_frames import read_table


def read_scores(path: Path) -> pd.DataFrame:
    """The scores in the CSV `path`, names as text and metrics as numbers."""
    return read_table(path).astype({metric.name: float for metric in METRICS})

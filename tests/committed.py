"""The project's files as they are committed: a run on another processor rebuilds reports with other last digits."""

import io
import subprocess

import pandas as pd

from tests.project import ROOT


def committed(name: str) -> str:
    """The text of the file `name`, a path in the project."""
    shown = subprocess.run(["git", "show", f"HEAD:{name}"], cwd=ROOT, check=True, capture_output=True)
    return shown.stdout.decode()


def committed_table(name: str) -> pd.DataFrame:
    """The CSV file `name` as it is read."""
    return pd.read_csv(io.StringIO(committed(name)))

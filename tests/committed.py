"""The project's committed files: a run on another processor would change the last digits of reports."""

import io
import subprocess

import pandas as pd

from tests.project import ROOT


def committed(name: str) -> str:
    """Read the committed text of the file `name`, a path in the project."""
    shown = subprocess.run(["git", "show", f"HEAD:{name}"], cwd=ROOT, check=True, capture_output=True)
    return shown.stdout.decode()


def committed_table(name: str) -> pd.DataFrame:
    """Read the committed CSV file `name`."""
    return pd.read_csv(io.StringIO(committed(name)))

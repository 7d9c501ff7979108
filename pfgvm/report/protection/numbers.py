"""Numbers as the tables of protection print them; a dash for what is missing."""

import pandas as pd

from pfgvm.report.formatted_table import MISSING


def number(value: float, digits: int) -> str:
    """`value` with so many `digits`."""
    return MISSING if pd.isna(value) else f"{value:.{digits}f}"


def rate(value: float) -> str:
    """`value`, in [0, 1], in per cent without the unit."""
    return MISSING if pd.isna(value) else f"{100 * value:.1f}"


def points(value: float) -> str:
    """A difference of rates in points, with a true minus."""
    return MISSING if pd.isna(value) else f"{100 * value:z.1f}".replace("-", "−")


def between(low: float, high: float) -> str:
    """The ends of an interval of rates, or of their differences."""
    return MISSING if pd.isna(low) else f"{points(low)} to {points(high)}"

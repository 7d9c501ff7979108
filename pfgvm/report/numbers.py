"""Numbers as strings for tables and text; a dash for missing values."""

import math
from collections.abc import Callable
from decimal import Decimal

from pfgvm.report.formatted_table import MISSING
from pfgvm.report.words import NOT_COMPARABLE


def number(value: float | Decimal | None, digits: int) -> str:
    """`value` with `digits` decimals and a true minus sign."""
    return MISSING if value is None or math.isnan(value) else f"{value:z.{digits}f}".replace("-", "−")


def per_cent(rate: float | None) -> str:
    """`rate`, in [0, 1], in per cent, or a difference of rates in points; without the unit."""
    return MISSING if rate is None else number(100 * rate, 1)


def with_unit(value: str) -> str:
    """`value` with a per cent sign if it is a number."""
    return value if value in (MISSING, NOT_COMPARABLE) else f"{value} %"


def between(low: float, high: float, shown: Callable[[float], str] = per_cent) -> str:
    """The interval from `low` to `high`, formatted by `shown`."""
    return MISSING if math.isnan(low) else f"{shown(low)} to {shown(high)}"


def with_interval(value: float, low: float, high: float, shown: Callable[[float], str] = per_cent) -> str:
    """`value` and, in brackets, its interval if it has one."""
    interval = between(low, high, shown)
    return shown(value) if interval == MISSING else f"{shown(value)} ({interval})"

"""Means, improvements and intervals."""

import math
from collections.abc import Iterable
from decimal import Decimal


def mean(values: Iterable[float]) -> float:
    """The mean, or NaN of nothing; summed exactly, so that the last digit is the same on every machine."""
    values = [float(value) for value in values]
    return math.fsum(values) / len(values) if values else math.nan


def improvement(proposed: str, baseline: str, *, smaller_is_better: bool) -> Decimal | None:
    """By how many per cent `proposed` beats `baseline`, both as printed (Table 3, "Percentage Improvement").

    (baseline - proposed) / baseline where smaller is better (L2), else (proposed - baseline) / baseline (SI, MR); not
    rounded. None where the baseline is zero.
    """
    ours, theirs = Decimal(proposed), Decimal(baseline)
    if not theirs:
        return None
    gain = theirs - ours if smaller_is_better else ours - theirs
    return 100 * gain / theirs


def interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval, in [0, 1], of a rate seen as `hits` of `count` > 0 images (Wilson 1927)."""
    # SciPy's statistics take a second to load.
    from scipy.stats import binomtest

    low, high = binomtest(hits, count).proportion_ci(confidence_level=0.95, method="wilson")
    return float(low), float(high)

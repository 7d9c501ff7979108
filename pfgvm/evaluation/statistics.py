"""Means, improvements and intervals."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np


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


def mean_over_runs(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean of one value of each of several independent runs, with its 95 % interval after Student's t.

    NaN for the ends where there are fewer than two runs.
    """
    from scipy.stats import t

    middle, count = mean(values), len(values)
    if count < 2:
        return middle, math.nan, math.nan
    error = math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (count - 1) / count)
    half = float(t.ppf(0.975, count - 1)) * error
    return middle, middle - half, middle + half


def mean_over_clusters(values: Sequence[float], clusters: Sequence[str]) -> tuple[float, float, float]:
    """The mean of `values`, with its 95 % interval where those of one cluster (a person's images) go together.

    clusters: of each value the cluster's name. The interval is that of the percentile bootstrap (Efron 1979) over whole
    clusters, 9,999 resamples from a fixed seed; NaN for a single cluster. Their order changes nothing.
    """
    if len(set(clusters)) < 2:
        return mean(values), math.nan, math.nan
    drawn = _resampled(values, clusters, seed=0).confidence_interval
    return mean(values), float(drawn.low), float(drawn.high)


def difference_of_means(
    values: Sequence[float], clusters: Sequence[str], others: Sequence[float], others_clusters: Sequence[str]
) -> tuple[float, float, float]:
    """The mean of `values` less that of `others`, which share no pairs, with its 95 % interval.

    Arguments and bootstrap as for `mean_over_clusters`, the clusters of either drawn for themselves; NaN for the ends
    where one of them has a single cluster.
    """
    middle = mean(values) - mean(others)
    if min(len(set(clusters)), len(set(others_clusters))) < 2:
        return middle, math.nan, math.nan
    drawn = _resampled(values, clusters, seed=0).bootstrap_distribution
    drawn = drawn - _resampled(others, others_clusters, seed=1).bootstrap_distribution
    low, high = np.percentile(drawn, (2.5, 97.5))
    return middle, float(low), float(high)


def _resampled(values: Sequence[float], clusters: Sequence[str], seed: int) -> Any:
    from scipy.stats import bootstrap

    together = defaultdict(list)
    for value, cluster in zip(values, clusters, strict=True):
        together[cluster].append(float(value))
    sums = np.array([math.fsum(together[cluster]) for cluster in sorted(together)])
    counts = np.array([len(together[cluster]) for cluster in sorted(together)])
    return bootstrap(
        (sums, counts),
        lambda sums, counts, axis: sums.sum(axis) / counts.sum(axis),
        paired=True,
        confidence_level=0.95,
        method="percentile",
        rng=np.random.default_rng(seed),
    )


def difference_of_rates(hits: int, count: int, other_hits: int, other_count: int) -> tuple[float, float, float]:
    """The rate of `hits` of `count` > 0 images less that of `other_hits` of `other_count` > 0 others.

    With its 95 % interval from Wilson's of either rate (Newcombe 1998, method 10); rates are in [0, 1].
    """
    rate, other = hits / count, other_hits / other_count
    (low, high), (other_low, other_high) = interval(hits, count), interval(other_hits, other_count)
    below = math.hypot(rate - low, other_high - other)
    above = math.hypot(high - rate, other - other_low)
    return rate - other, rate - other - below, rate - other + above

"""Means, improvements and confidence intervals."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np


def mean(values: Iterable[float]) -> float:
    """Mean, or NaN without values; summed exactly, so that the last digit is equal on every machine."""
    values = [float(value) for value in values]
    return math.fsum(values) / len(values) if values else math.nan


def improvement(proposed: str, baseline: str, *, smaller_is_better: bool) -> Decimal | None:
    """Improvement of `proposed` over `baseline` in per cent, both as printed (Table 3, "Percentage Improvement").

    (baseline - proposed) / baseline if smaller is better (L2), else (proposed - baseline) / baseline (SI, MR); not
    rounded. None if the baseline is zero.
    """
    ours, theirs = Decimal(proposed), Decimal(baseline)
    if not theirs:
        return None
    gain = theirs - ours if smaller_is_better else ours - theirs
    return 100 * gain / theirs


def interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval, in [0, 1], of the rate `hits` / `count`, with `count` > 0 (Wilson 1927)."""
    # scipy.stats takes a second to import.
    from scipy.stats import binomtest

    low, high = binomtest(hits, count).proportion_ci(confidence_level=0.95, method="wilson")
    return float(low), float(high)


def mean_over_runs(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of one value per independent run, with its 95 % interval by Student's t: (mean, low, high).

    low and high are NaN for fewer than two runs.
    """
    from scipy.stats import t

    middle, count = mean(values), len(values)
    if count < 2:
        return middle, math.nan, math.nan
    error = math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (count - 1) / count)
    half = float(t.ppf(0.975, count - 1)) * error
    return middle, middle - half, middle + half


def mean_over_clusters(values: Sequence[float], clusters: Sequence[str]) -> tuple[float, float, float]:
    """Mean of `values` with its 95 % interval by bootstrap over clusters (an identity's images): (mean, low, high).

    clusters: cluster name of each value. The percentile bootstrap (Efron 1979) resamples whole clusters 9,999 times
    from a fixed seed; low and high are NaN for a single cluster. Independent of the order.
    """
    if len(set(clusters)) < 2:
        return mean(values), math.nan, math.nan
    limits = _bootstrap(values, clusters, seed=0).confidence_interval
    return mean(values), float(limits.low), float(limits.high)


def difference_of_means(
    values: Sequence[float], clusters: Sequence[str], others: Sequence[float], others_clusters: Sequence[str]
) -> tuple[float, float, float]:
    """Mean of `values` minus that of `others`, unpaired, with its 95 % interval: (difference, low, high).

    Arguments and bootstrap as for `mean_over_clusters`, with independent resamples of both; low and high are NaN if one
    of them has a single cluster.
    """
    middle = mean(values) - mean(others)
    if min(len(set(clusters)), len(set(others_clusters))) < 2:
        return middle, math.nan, math.nan
    differences = _bootstrap(values, clusters, seed=0).bootstrap_distribution
    differences = differences - _bootstrap(others, others_clusters, seed=1).bootstrap_distribution
    low, high = np.percentile(differences, (2.5, 97.5))
    return middle, float(low), float(high)


def _bootstrap(values: Sequence[float], clusters: Sequence[str], seed: int) -> Any:
    from scipy.stats import bootstrap

    values_of = defaultdict(list)
    for value, cluster in zip(values, clusters, strict=True):
        values_of[cluster].append(float(value))
    sums = np.array([math.fsum(values_of[cluster]) for cluster in sorted(values_of)])
    counts = np.array([len(values_of[cluster]) for cluster in sorted(values_of)])
    return bootstrap(
        (sums, counts),
        lambda sums, counts, axis: sums.sum(axis) / counts.sum(axis),
        paired=True,
        confidence_level=0.95,
        method="percentile",
        rng=np.random.default_rng(seed),
    )


def difference_of_rates(hits: int, count: int, other_hits: int, other_count: int) -> tuple[float, float, float]:
    """Rate `hits` / `count` minus the rate `other_hits` / `other_count`, both counts > 0: (difference, low, high).

    The 95 % interval combines Wilson's intervals of both rates (Newcombe 1998, method 10); rates are in [0, 1].
    """
    rate, other = hits / count, other_hits / other_count
    (low, high), (other_low, other_high) = interval(hits, count), interval(other_hits, other_count)
    below = math.hypot(rate - low, other_high - other)
    above = math.hypot(high - rate, other - other_low)
    return rate - other, rate - other - below, rate - other + above

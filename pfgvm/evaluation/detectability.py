"""How surely a detector tells protected images from clean ones of persons that it has never seen."""

import math
from collections.abc import Sequence

import numpy as np

from pfgvm.errors import InputError
from pfgvm.evaluation.transforms import TRANSFORMS

RINGS = 16
FEATURES = RINGS + 3
_LEAST_SIDE = 32
_MOST_FOLDS = 5
# In squared levels of 8 bits: the variance of rounding to them, below which they say nothing.
_ROUNDING = 1 / 12
# Of R, G and B in luma (ITU-R BT.601, JPEG's).
_LUMA = np.array([0.299, 0.587, 0.114])


def features(image: np.ndarray) -> np.ndarray:
    """What a detector sees of one image: the log power spectrum of its finest detail, and how strong that is.

    The detail is the image less its 3 x 3 median. The log power of its luma is averaged over `RINGS` rings of equal
    width in spatial frequency, from 0 to the corner at √½ cycles per pixel (after Durall et al., CVPR 2020); the log
    variances of R, G and B follow.

    image: uint8, (3, H, W). Returns (FEATURES,), float64.
    Raises InputError for sides under 32 pixels, where a ring can be empty.
    """
    height, width = image.shape[1:]
    if min(height, width) < _LEAST_SIDE:
        raise InputError(f"image: {height} x {width} pixels; give at least {_LEAST_SIDE} x {_LEAST_SIDE}")
    detail = image - TRANSFORMS["median 3x3"](image).astype(float)
    luma = np.tensordot(_LUMA, detail, axes=1)
    log_power = np.log(np.abs(np.fft.fft2(luma)) ** 2 / luma.size + _ROUNDING)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    ring = np.minimum(frequency / 0.5**0.5 * RINGS, RINGS - 1).astype(int).ravel()
    spectrum = np.bincount(ring, log_power.ravel()) / np.bincount(ring)
    return np.concatenate([spectrum, np.log(detail.var(axis=(1, 2)) + _ROUNDING)])


def detector_auc(
    protected_features: np.ndarray, clean_features: np.ndarray, persons: Sequence[str], images: Sequence[str]
) -> tuple[float, float, float]:
    """The area under the ROC curve of a detector of protected images, and its 95 % interval.

    A logistic regression on standardised features, cross-validated by person in at most five folds: it has seen no
    image, clean or protected, of the persons that it judges. The scores of all folds are pooled; AUC and interval are
    `auc_over_persons`'.

    protected_features, clean_features: (n, f), of the same images (`features`). persons, images: their n names.
    Returns (AUC, low, high): 1 where the detector always tells, 1/2 where it guesses. The order of the images changes
    nothing. Raises InputError for fewer than two persons.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    number = len(set(persons))
    if number < 2:
        raise InputError(
            f"persons: {number}; a detector is judged on others than it learned from, so give at least two"
        )
    # In one order whatever the caller's, since the regression's sums depend on it in their last digits.
    order = np.lexsort((np.array(images), np.array(persons)))
    person = np.array(persons)[order]
    scores = cross_val_predict(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        np.concatenate([protected_features[order], clean_features[order]]),
        np.repeat([1, 0], len(person)),
        groups=np.tile(person, 2),
        cv=GroupKFold(min(_MOST_FOLDS, number)),
        method="decision_function",
    )
    protected, clean = np.split(scores, 2)
    return auc_over_persons(protected, clean, person)


def auc_over_persons(
    protected: np.ndarray, clean: np.ndarray, persons: Sequence[str] | np.ndarray
) -> tuple[float, float, float]:
    """The area under the ROC curve of scores, and its 95 % interval by the percentile bootstrap over persons.

    It is the share of pairs, one protected and one clean, that are ranked rightly, ties counting half (Hanley and
    McNeil, 1982). protected, clean: the scores of the same images, (n,), larger where held for protected. persons:
    whose they are, n. Returns (AUC, low, high) after 9,999 resamples from a fixed seed; NaN ends for one person.
    """
    from scipy.stats import bootstrap

    person = np.unique(persons, return_inverse=True)[1]
    everybody, count = np.arange(person.max() + 1), np.bincount(person)
    # Right pairs by the protected image's person and the clean one's: a resample of persons is then one look-up.
    right = np.empty((len(count), len(count)))
    for mine in everybody:
        scores = protected[person == mine][:, None]
        right[mine] = np.bincount(person, ((scores > clean) + (scores == clean) / 2).sum(axis=0))

    def auc(drawn: np.ndarray) -> float:
        return float(right[np.ix_(drawn, drawn)].sum() / count[drawn].sum() ** 2)

    if len(everybody) < 2:
        return auc(everybody), math.nan, math.nan
    drawn = bootstrap((everybody,), auc, vectorized=False, method="percentile", rng=np.random.default_rng(0))
    return auc(everybody), float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)

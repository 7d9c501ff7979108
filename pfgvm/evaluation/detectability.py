"""Detectability: AUC of a detector of protected images, on identities outside its training set."""

import math
from collections.abc import Sequence

import numpy as np

from pfgvm.errors import InputError
from pfgvm.evaluation.transforms import TRANSFORMS

RINGS = 16
FEATURES = RINGS + 3
_MIN_SIDE = 32
_MAX_FOLDS = 5
# Variance of rounding to 8 bits, in squared levels: the noise floor.
_ROUNDING = 1 / 12
# Weights of R, G and B in luma (ITU-R BT.601, as in JPEG).
_LUMA = np.array([0.299, 0.587, 0.114])


def features(image: np.ndarray) -> np.ndarray:
    """Detector features of one image: log power spectrum and log variances of its finest detail.

    The detail is the image minus its 3 x 3 median. The log power of its luma is averaged over `RINGS` rings of equal
    width in spatial frequency, from 0 to √½ cycles per pixel (after Durall et al., CVPR 2020). The log variances of R,
    G and B follow.

    image: uint8, (3, H, W). Returns (FEATURES,), float64.
    Raises InputError for a side under 32 pixels, since a ring could be empty.
    """
    height, width = image.shape[1:]
    if min(height, width) < _MIN_SIDE:
        raise InputError(f"image: {height} x {width} pixels; give at least {_MIN_SIDE} x {_MIN_SIDE}")
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
    """Area under the ROC curve of a detector of protected images, and its 95 % interval.

    The detector is a logistic regression on standardised features, cross-validated over identities in at most five
    folds: no image of the tested identities, clean or protected, is in the training set. The scores of all folds are
    pooled; AUC and interval are those of `auc_over_persons`.

    protected_features, clean_features: (n, f), of the same images (`features`). persons, images: n identities and image
    names. Returns (AUC, low, high); AUC is 1 for a perfect detector and 1/2 for guessing. Independent of the order of
    the images. Raises InputError for fewer than two identities.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    number = len(set(persons))
    if number < 2:
        raise InputError(
            f"persons: {number}; the detector is tested on other identities than it is trained on, so give at least two"
        )
    # In a fixed order: the last digits of the regression depend on it.
    order = np.lexsort((np.array(images), np.array(persons)))
    person = np.array(persons)[order]
    scores = cross_val_predict(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        np.concatenate([protected_features[order], clean_features[order]]),
        np.repeat([1, 0], len(person)),
        groups=np.tile(person, 2),
        cv=GroupKFold(min(_MAX_FOLDS, number)),
        method="decision_function",
    )
    protected, clean = np.split(scores, 2)
    return auc_over_persons(protected, clean, person)


def auc_over_persons(
    protected: np.ndarray, clean: np.ndarray, persons: Sequence[str] | np.ndarray
) -> tuple[float, float, float]:
    """Area under the ROC curve of scores, and its 95 % interval by the percentile bootstrap over identities.

    The AUC is the share of correctly ranked pairs of a protected and a clean image; ties count half (Hanley and McNeil,
    1982). protected, clean: scores (n,) of the same images, larger for protected. persons: n identities.
    Returns (AUC, low, high) with 9,999 resamples from a fixed seed; low and high are NaN for one identity.
    """
    from scipy.stats import bootstrap

    person = np.unique(persons, return_inverse=True)[1]
    identities, count = np.arange(person.max() + 1), np.bincount(person)
    # Correctly ranked pairs by identity of the protected and the clean image: a resample is then one look-up.
    correct = np.empty((len(count), len(count)))
    for identity in identities:
        scores = protected[person == identity][:, None]
        correct[identity] = np.bincount(person, ((scores > clean) + (scores == clean) / 2).sum(axis=0))

    def auc(resample: np.ndarray) -> float:
        return float(correct[np.ix_(resample, resample)].sum() / count[resample].sum() ** 2)

    if len(identities) < 2:
        return auc(identities), math.nan, math.nan
    result = bootstrap((identities,), auc, vectorized=False, method="percentile", rng=np.random.default_rng(0))
    return auc(identities), float(result.confidence_interval.low), float(result.confidence_interval.high)

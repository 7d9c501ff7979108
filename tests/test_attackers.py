"""Adaptive attackers on embeddings and images with known or independently computed results."""

import math
import subprocess
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.ndimage import median_filter
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import Normalizer, StandardScaler
from threadpoolctl import threadpool_limits

from pfgvm.errors import InputError
from pfgvm.evaluation.attackers import arrival, growing_gallery, retrained
from pfgvm.evaluation.detectability import FEATURES, RINGS, auc_over_persons, detector_auc, features

PERSONS, EACH, SIZE = 6, 10, 32
CENTRES = np.linalg.qr(np.random.default_rng(0).normal(size=(SIZE, SIZE)))[0][:PERSONS]
PERSON = [f"person {number % PERSONS}" for number in range(PERSONS * EACH)]
IMAGES = [f"{number:06}.jpg" for number in range(PERSONS * EACH)]


def near_centres(scale: float, *, seed: int = 1, moved_by: int = 0) -> np.ndarray:
    """Embeddings near the centre of their identity, or of the identity `moved_by` places further."""
    centres = CENTRES[(np.arange(PERSONS * EACH) + moved_by) % PERSONS]
    return centres + scale * np.random.default_rng(seed).normal(size=centres.shape)


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread() -> Iterator[None]:
    """Small regressions: on a busy machine waiting for the other threads takes longer than the work."""
    with threadpool_limits(limits=1):
        yield


# ── Retrained ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_retraining_recognises_separated_identities(share):
    hits = retrained(near_centres(0.01), near_centres(0.01, seed=2), PERSON, IMAGES, share=share, seed=0)
    assert [values.tolist() for values in hits] == [[1.0] * len(IMAGES)] * 2


def test_retraining_on_noise_guesses():
    # More dimensions than images: a classifier tested on its training images would recognise them.
    random = np.random.default_rng(0)
    protected = random.normal(size=(len(IMAGES), 100))
    hits, on_clean = retrained(protected, near_centres(0.01) @ np.eye(SIZE, 100), PERSON, IMAGES, share=1.0, seed=0)
    assert hits.mean() < 0.35 and on_clean.mean() < 0.5


def test_retraining_compensates_a_constant_shift():
    clean = near_centres(0.05)
    # Towards one identity: a classifier trained on clean images predicts that identity for all.
    protected = clean + 3 * CENTRES[0]
    learned, _ = retrained(protected, clean, PERSON, IMAGES, share=1.0, seed=0)
    clean_again, fooled = retrained(clean, protected, PERSON, IMAGES, share=1.0, seed=0)
    assert learned.mean() == clean_again.mean() == 1
    assert fooled.mean() == pytest.approx(1 / PERSONS)


@pytest.mark.parametrize(
    ("share", "expected"), [(1.0, (1, 0)), (0.75, (1, 0)), (0.25, (0, 1)), (0.01, (0, 1))], ids=str
)
def test_the_share_of_each_person_is_protected(share, expected):
    # Each protected image resembles the next identity's: the more frequent kind determines the class.
    clean, protected = near_centres(0.01), near_centres(0.01, seed=2, moved_by=1)
    hits = retrained(protected, clean, PERSON, IMAGES, share=share, seed=0)
    assert (hits[0].mean(), hits[1].mean()) == expected


def test_the_protected_training_images_depend_on_the_seed_alone(monkeypatch):
    # An embedding encodes its image and whether it is protected.
    number = np.arange(len(IMAGES), dtype=float)
    protected, clean = (np.stack([number, np.full(len(IMAGES), kind)], axis=1) for kind in (1, 2))
    learned = []
    normalise = Normalizer.fit
    monkeypatch.setattr(Normalizer, "fit", lambda self, x, y=None: (learned.append(x), normalise(self, x, y))[1])

    def protected_in_folds(seed: int) -> list[set[int]]:
        learned.clear()
        retrained(protected, clean, PERSON, IMAGES, share=0.25, seed=seed)
        return [set(fold[fold[:, 1] == 1, 0].astype(int).tolist()) for fold in learned]

    folds = protected_in_folds(0)
    # 8 of 10 images per identity are training images, 2 of them protected.
    assert [len(fold) for fold in learned] == [8 * PERSONS] * 5
    held_out = [set(range(len(IMAGES))) - set(fold[:, 0].astype(int).tolist()) for fold in learned]
    assert set().union(*held_out) == set(range(len(IMAGES)))
    for fold in folds:
        assert sorted(PERSON[image] for image in fold) == sorted(2 * list(set(PERSON)))
    assert protected_in_folds(0) == folds
    # Not the first by name, and others by another seed: an order that two seeds shared would share its first two.
    assert max(set().union(*folds)) > len(IMAGES) / 2
    shared = set().union(*folds) & set().union(*protected_in_folds(1))
    assert min(sum(PERSON[image] == person for image in shared) for person in PERSON) < 2


def test_at_least_one_image_of_each_person_is_protected():
    # With two images per identity, one is for training.
    two = slice(0, 2 * PERSONS)
    clean, protected = near_centres(0.01)[two], near_centres(0.01, seed=2, moved_by=1)[two]
    hits = retrained(protected, clean, PERSON[two], IMAGES[two], share=0.25, seed=0)
    assert (hits[0].mean(), hits[1].mean()) == (1, 0)


def test_no_fold_holds_all_images_of_a_person():
    # If one fold contained all images of an identity, none of them would be recognised.
    clean = near_centres(0.01)
    for number in (2, 3, 4, 7):
        some = slice(0, number * PERSONS)
        hits = retrained(clean[some], clean[some], PERSON[some], IMAGES[some], share=1.0, seed=0)
        assert np.all(hits[0] == 1) and np.all(hits[1] == 1)


def test_retraining_depends_on_seed_and_names_and_on_no_order():
    clean, protected = near_centres(0.25), near_centres(0.25, seed=2, moved_by=1)

    def judged(rows: np.ndarray, seed: int = 0) -> np.ndarray:
        names = [[values[row] for row in rows] for values in (PERSON, IMAGES)]
        return np.array(retrained(protected[rows], clean[rows], *names, share=0.5, seed=seed))

    as_listed = judged(np.arange(len(IMAGES)))
    assert 0.1 < as_listed.mean() < 0.9
    shuffled = np.random.default_rng(0).permutation(len(IMAGES))
    assert np.array_equal(judged(shuffled), as_listed[:, shuffled])
    assert not np.array_equal(judged(np.arange(len(IMAGES)), seed=1), as_listed)


def test_identities_with_one_image_are_excluded():
    rows = [0, PERSONS, 2 * PERSONS, 1, PERSONS + 1, 2]
    clean = near_centres(0.01)[rows]
    names = [[values[row] for row in rows] for values in (PERSON, IMAGES)]
    for hits in retrained(clean, clean, *names, share=1.0, seed=0):
        assert np.array_equal(hits, [1, 1, 1, 1, 1, np.nan], equal_nan=True)
    alone = retrained(clean[:3], clean[:3], names[0][:3], names[1][:3], share=1.0, seed=0)
    assert np.isnan(alone).all() and np.shape(alone) == (2, 3)


def test_two_images_of_many_identities_cause_no_warning():
    count = 60
    embeddings = np.eye(30)[np.arange(count) % 30]
    names = [[f"{kind}{number}" for number in range(count)] for kind in "pi"]
    names[0] = [names[0][number % 30] for number in range(count)]
    with warnings.catch_warnings(action="error"):
        hits, _ = retrained(embeddings, embeddings, *names, share=1.0, seed=0)
    assert hits.all()


@pytest.mark.parametrize("share", [0, -0.5, 1.1, math.nan])
def test_a_wrong_share_is_refused(share):
    with pytest.raises(InputError, match=r"^share: "):
        retrained(near_centres(0), near_centres(0), PERSON, IMAGES, share=share, seed=0)


def test_an_image_named_twice_is_refused():
    with pytest.raises(InputError, match="images: a name occurs twice"):
        retrained(near_centres(0), near_centres(0), PERSON, IMAGES[:-1] + IMAGES[:1], share=1.0, seed=0)


# ── A growing gallery ─────────────────────────────────────────────────────────────────────────────────────────────


def nearness(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return -np.abs(a - b.T)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 1 - cdist(a, b, "cosine")


@pytest.mark.parametrize(
    ("threshold", "order", "expected"),
    [
        # A at 0, B at 10. Alone, 4 is A's and 6.5 B's.
        (math.inf, [0, 1], [True, False]),
        (math.inf, [1, 0], [True, False]),
        # 4 joins as A, and 6.5 is nearer to it than to B.
        (-5, [0, 1], [True, True]),
        (-4, [0, 1], [True, True]),
        # 4 is too far away to join.
        (-3.9, [0, 1], [True, False]),
        # 6.5 joins first, wrongly, and draws 4 to B.
        (-5, [1, 0], [False, False]),
    ],
)
def test_an_added_probe_changes_later_predictions(threshold, order, expected):
    gallery, probes = np.array([[0.0], [10.0]]), np.array([[4.0], [6.5]])
    values = {"similarities": nearness, "threshold": threshold, "order": order}
    assert growing_gallery(gallery, ["A", "B"], probes, ["A", "A"], **values).tolist() == expected


@pytest.mark.parametrize("threshold", [0.1, 0.25, 0.4, 2.0])
def test_a_growing_gallery_is_one_that_grows(threshold):
    gallery, probes = near_centres(0.3)[:20], near_centres(0.3, seed=2)
    order = arrival(IMAGES, 0)
    gallery_now, names, expected = list(gallery), PERSON[:20], np.zeros(len(probes), bool)
    for number in order:
        scores = cosine(probes[[number]], np.array(gallery_now))[0]
        answer = names[int(scores.argmax())]
        expected[number] = answer == PERSON[number]
        if scores.max() >= threshold:
            gallery_now.append(probes[number])
            names = [*names, answer]
    hits = growing_gallery(gallery, PERSON[:20], probes, PERSON, similarities=cosine, threshold=threshold, order=order)
    assert np.array_equal(hits, expected) and 0 < hits.mean() < 1
    fixed = growing_gallery(gallery, PERSON[:20], probes, PERSON, similarities=cosine, threshold=2, order=order)
    assert np.array_equal(hits, fixed) == (threshold == 2)


def test_the_order_of_probes_depends_on_seed_and_names():
    order = arrival(IMAGES, 0)
    assert sorted(order) == list(range(len(IMAGES))) and order.tolist() != sorted(order)
    backwards = IMAGES[::-1]
    assert [backwards[number] for number in arrival(backwards, 0)] == [IMAGES[number] for number in order]
    assert arrival(IMAGES, 1).tolist() != order.tolist()


@pytest.mark.parametrize("order", [[0], [0, 0], [1, 2], [0, 1, 2]], ids=str)
def test_an_order_that_is_none_is_refused(order):
    with pytest.raises(InputError, match="order: is not a permutation of the 2 probes"):
        growing_gallery(
            np.ones((1, 1)), ["A"], np.ones((2, 1)), ["A", "A"], similarities=nearness, threshold=0, order=order
        )


@pytest.mark.parametrize(("gallery", "probes"), [(0, 2), (2, 0)])
def test_nothing_to_recognise_or_to_recognise_by_is_refused(gallery, probes):
    sets = np.ones((gallery, 1)), ["A"] * gallery, np.ones((probes, 1)), ["A"] * probes
    with pytest.raises(InputError, match=f"gallery, probes: {gallery} and {probes} images"):
        growing_gallery(*sets, similarities=nearness, threshold=0, order=range(probes))


# ── A detector ────────────────────────────────────────────────────────────────────────────────────────────────────


def grainy_images(size: tuple[int, int] = (40, 33)) -> list[np.ndarray]:
    """Smooth images with noise of different strengths, one for each of IMAGES."""
    rows, columns = np.mgrid[: size[0], : size[1]] / 9
    made = []
    for number in range(len(IMAGES)):
        random = np.random.default_rng(number)
        waves = [np.sin(rows * a + columns * b) for a, b in random.uniform(0, 1, (3, 2))]
        grain = random.uniform(0.5, 1.5) * random.normal(size=(3, *size))
        made.append(np.rint(np.clip(128 + 90 * np.stack(waves) + grain, 0, 255)).astype(np.uint8))
    return made


def features_of(images: list[np.ndarray]) -> np.ndarray:
    return np.stack([features(image) for image in images])


def with_noise(images: list[np.ndarray], scale: float) -> list[np.ndarray]:
    random = np.random.default_rng(99)
    return [
        np.rint(np.clip(image + scale * random.normal(size=image.shape), 0, 255)).astype(np.uint8) for image in images
    ]


def test_a_detector_detects_noise():
    clean = grainy_images()
    auc, low, high = detector_auc(features_of(with_noise(clean, 4)), features_of(clean), PERSON, IMAGES)
    assert auc > 0.99 and 0.97 < low <= auc <= high <= 1


def test_a_detector_without_a_difference_guesses():
    clean = features_of(grainy_images())
    assert detector_auc(clean, clean, PERSON, IMAGES) == (0.5, 0.5, 0.5)
    others = np.random.default_rng(5).normal(size=(2, 600, 3))
    persons = [f"{number % 100}" for number in range(600)]
    auc, low, high = detector_auc(*others, persons, [f"{number}" for number in range(600)])
    assert auc == pytest.approx(0.5, abs=0.05) and low < 0.5 < high


def test_a_detector_is_tested_on_other_identities_than_it_is_trained_on():
    # Each identity's images differ along a separate axis, so that only they would be informative.
    identity_features = np.eye(PERSONS)[np.arange(len(IMAGES)) % PERSONS]
    assert detector_auc(identity_features, -identity_features, PERSON, IMAGES)[0] == pytest.approx(0.5, abs=1e-9)


def test_a_detectors_scores_are_those_of_the_folds_without_the_identity():
    protected, clean = np.random.default_rng(3).normal([[[0.4, 0.2, 0.0]], [[0.0, 0.0, 0.0]]], 1, (2, len(IMAGES), 3))
    x, y = np.concatenate([protected, clean]), np.repeat([1, 0], len(IMAGES))
    scores = np.empty(len(x))
    for training, held_out in GroupKFold(5).split(x, y, groups=PERSON * 2):
        scaler = StandardScaler().fit(x[training])
        detector = LogisticRegression().fit(scaler.transform(x[training]), y[training])
        scores[held_out] = detector.decision_function(scaler.transform(x[held_out]))
    expected = roc_auc_score(y, scores)
    auc, low, high = detector_auc(protected, clean, PERSON, IMAGES)
    assert auc == pytest.approx(expected, abs=1e-3) and 0.5 < auc < 0.8 and low < auc < high


def test_a_detectors_auc_does_not_depend_on_the_order():
    protected, clean = np.random.default_rng(3).normal([[[0.3]], [[0.0]]], 1, (2, len(IMAGES), 2))
    rows = np.random.default_rng(0).permutation(len(IMAGES))
    names = [[values[row] for row in rows] for values in (PERSON, IMAGES)]
    assert detector_auc(protected[rows], clean[rows], *names) == detector_auc(protected, clean, PERSON, IMAGES)


def test_a_detector_of_one_person_is_refused():
    with pytest.raises(InputError, match=r"^persons: 1"):
        detector_auc(np.ones((2, 1)), np.zeros((2, 1)), ["A", "A"], ["a", "b"])


def test_an_area_is_that_of_scikit_learn_and_its_interval_that_of_resampled_persons():
    random = np.random.default_rng(0)
    persons = np.array([f"person {number}" for number in [0, 0, 0, 1, 2, 2, 3, 3, 3, 3, 4, 5, 5, 6, 7]])
    # Of few values, so that there are ties.
    protected, clean = random.integers(1, 7, len(persons)), random.integers(0, 6, len(persons))

    def area(rows: np.ndarray) -> float:
        truth = np.repeat([1, 0], len(rows))
        return float(roc_auc_score(truth, np.concatenate([protected[rows], clean[rows]])))

    names = np.unique(persons)
    resampled = []
    for _ in range(600):
        drawn = random.choice(names, len(names))
        resampled.append(area(np.concatenate([np.flatnonzero(persons == name) for name in drawn])))
    auc, low, high = auc_over_persons(protected, clean, persons)
    assert auc == pytest.approx(area(np.arange(len(persons))), abs=1e-12)
    assert (low, high) == pytest.approx(np.percentile(resampled, [2.5, 97.5]), abs=0.03)
    assert 0.05 < high - low < 0.5
    assert auc_over_persons(clean, protected, persons)[0] == pytest.approx(1 - auc, abs=1e-12)
    assert np.isnan(auc_over_persons(protected[:3], clean[:3], persons[:3])[1:]).all()


@pytest.mark.parametrize("size", [(32, 32), (33, 35), (32, 257), (109, 89), (218, 178)], ids=str)
def test_features_are_as_many_whatever_the_image(size):
    random = np.random.default_rng(0)
    flat = features(np.full((3, *size), 7, np.uint8))
    grainy = features(random.integers(0, 256, (3, *size), np.uint8))
    assert flat.shape == grainy.shape == (FEATURES,) == (RINGS + 3,)
    assert flat == pytest.approx(np.full(FEATURES, np.log(1 / 12)), abs=1e-9)
    assert np.isfinite(grainy).all() and (grainy > flat).all()


def test_features_are_the_mean_log_power_of_rings_and_the_log_variances():
    image = np.random.default_rng(0).integers(0, 256, (3, 36, 41), np.uint8)
    detail = np.stack([channel - median_filter(channel, 3, mode="nearest").astype(float) for channel in image])
    luma = 0.299 * detail[0] + 0.587 * detail[1] + 0.114 * detail[2]
    powers: list[list[float]] = [[] for _ in range(RINGS)]
    for u, row in enumerate(np.fft.fft2(luma, norm="ortho")):
        for v, value in enumerate(row):
            radius = math.hypot(min(u, 36 - u) / 36, min(v, 41 - v) / 41)
            powers[min(int(RINGS * radius / math.sqrt(0.5)), RINGS - 1)].append(math.log(abs(value) ** 2 + 1 / 12))
    variances = [math.log(np.mean(channel**2) - np.mean(channel) ** 2 + 1 / 12) for channel in detail]
    assert features(image) == pytest.approx([*map(np.mean, powers), *variances], abs=1e-9)


def test_features_of_a_tiny_image_are_refused():
    with pytest.raises(InputError, match="40 x 31 pixels"):
        features(np.zeros((3, 40, 31), np.uint8))


def test_scikit_learn_is_loaded_where_it_is_used():
    # A stage with nothing to do starts quickly.
    loaded = "{'sklearn', 'scipy', 'torch'}.intersection(sys.modules)"
    program = f"import sys, pfgvm.evaluation.attackers, pfgvm.evaluation.detectability; sys.exit(bool({loaded}))"
    subprocess.run([sys.executable, "-c", program], check=True)

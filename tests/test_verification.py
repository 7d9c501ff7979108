"""Thresholds, true matches, ranks and enrolment compared with plain loops over pairs."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from pfgvm.evaluation.findings.enrolment import Enrolment, genuine_pairs, thresholds_table
from pfgvm.evaluation.findings.verification import Faces, impostor_pairs, match_rates, ranks, threshold
from pfgvm.evaluation.recognition.embedding_distance import Comparison

COSINE = Comparison("angle", "Angle")
EUCLIDEAN = Comparison("near", "Near", distance="euclidean")
BOTH = pytest.mark.parametrize("compared", [COSINE, EUCLIDEAN], ids=lambda comparison: comparison.distance)


def alike(compared: Comparison, a: np.ndarray, b: np.ndarray) -> float:
    """The similarity of two embeddings, by the definition."""
    if compared.distance == "euclidean":
        return -math.dist(a, b)
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def faces(images: dict[str, str], seed: int = 0, spread: float = 1.0) -> Faces:
    """Random embeddings near a centre for each person; images: person by image."""
    persons = np.array(list(images.values()))
    centres = {person: np.random.default_rng(ord(person[0])).normal(size=3) for person in persons}
    moved = spread * np.random.default_rng(seed).normal(size=(len(images), 3))
    return Faces(np.array(list(images)), persons, np.stack([centres[person] for person in persons]) + moved)


# Persons of four, three, two and one image.
IMAGES = {
    f"{person}{number}": person for person, count in zip("cadb", (4, 3, 2, 1), strict=True) for number in range(count)
}


def shuffled(some: Faces) -> tuple[Faces, np.ndarray]:
    order = np.random.default_rng(7).permutation(len(some.images))
    return Faces(some.images[order], some.persons[order], some.embeddings[order]), order


# ── Similarities ──────────────────────────────────────────────────────────────────────────────────────────────────


@BOTH
def test_similarities_are_the_cosine_or_the_distance_with_a_minus(compared):
    a, b = faces(IMAGES).embeddings, faces(IMAGES, seed=1).embeddings[:4]
    scores = compared.similarities(a, b)
    assert scores.shape == (10, 4)
    assert scores == pytest.approx(np.array([[alike(compared, x, y) for y in b] for x in a]), abs=1e-12)


# ── Thresholds ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("draw", ["distinct", "tied", "all equal"])
@pytest.mark.parametrize(("count", "fmr"), [(3000, 0.01), (3001, 0.01), (4567, 0.01), (30_000, 0.001), (100, 0.57)])
def test_a_threshold_is_the_lowest_that_keeps_its_rate(draw: str, count: int, fmr: float):
    random = np.random.default_rng(count)
    made: dict[str, Callable[[], np.ndarray]] = {
        "distinct": lambda: random.normal(size=count),
        # Some hundred pairs at each value.
        "tied": lambda: random.integers(0, 23, count) / 23 - 0.5,
        "all equal": lambda: np.full(count, 0.25),
    }
    similarities = made[draw]()
    level = threshold(similarities, fmr)
    assert (level.fmr, level.pairs, level.note) == (fmr, count, "")

    # Counted, not divided: in binary 57 of 100 need not be 0.57.
    allowed = math.floor(count * fmr + 1e-6)
    assert np.count_nonzero(similarities >= level.value) <= allowed
    assert np.count_nonzero(similarities >= np.nextafter(level.value, -math.inf)) > allowed
    if draw == "distinct":
        assert np.count_nonzero(similarities >= level.value) == allowed


def test_a_threshold_of_known_pairs():
    # 100 of 10,000 may match: those from 9,900 on.
    similarities = np.random.default_rng(0).permutation(10_000).astype(float)
    assert threshold(similarities, 0.01).value == np.nextafter(9899.0, math.inf)
    assert math.isnan(threshold(similarities, 0.001).value)


@pytest.mark.parametrize(
    ("count", "fmr", "needed"), [(3000, 0.01, "3,000"), (30_000, 0.001, "30,000"), (60, 0.5, "60")]
)
def test_thirty_false_matches_must_be_expected(count: int, fmr: float, needed: str):
    similarities = np.arange(count, dtype=float)
    assert np.count_nonzero(similarities >= threshold(similarities, fmr).value) == 30
    short = threshold(similarities[1:], fmr)
    assert math.isnan(short.value) and short.pairs == count - 1
    assert short.note == f"needs {needed} pairs of other persons; there are {count - 1:,}"


def test_no_pairs_give_no_threshold():
    assert threshold(np.zeros(0), 0.01).note == "needs 3,000 pairs of other persons; there are 0"


def test_impostor_pairs_are_all_pairs_of_two_persons():
    some = faces(IMAGES)
    count = len(IMAGES)
    expected = {(i, j) for i in range(count) for j in range(i) if some.persons[i] != some.persons[j]}
    first, second = impostor_pairs(some)
    assert len(first) == len(expected) == 45 - 6 - 3 - 1
    assert {(max(pair), min(pair)) for pair in zip(first.tolist(), second.tolist(), strict=True)} == expected


# ── True matches ──────────────────────────────────────────────────────────────────────────────────────────────────


def rates_by_loop(compared: Comparison, probes: Faces, gallery: Faces, value: float) -> list[float]:
    rates = []
    for image, person, embedding in zip(probes.images, probes.persons, probes.embeddings, strict=True):
        matched = [
            alike(compared, embedding, other) >= value
            for name, owner, other in zip(gallery.images, gallery.persons, gallery.embeddings, strict=True)
            if owner == person and name != image
        ]
        rates.append(sum(matched) / len(matched) if matched else math.nan)
    return rates


@BOTH
def test_match_rates_are_those_of_a_loop_over_pairs(compared):
    gallery, probes = faces(IMAGES), faces(IMAGES, seed=1)
    levels = {COSINE: (-2, 0.3, 0.8, 2), EUCLIDEAN: (-10, -2.5, -1.5, 1)}[compared]
    mean_rates = []
    for value in levels:
        rates = match_rates(compared, probes, gallery, value)
        assert rates == pytest.approx(rates_by_loop(compared, probes, gallery, value), nan_ok=True)
        mean_rates.append(np.nanmean(rates))
    assert mean_rates[0] == 1 > mean_rates[1] > mean_rates[2] > mean_rates[3] == 0
    # The one image of its person.
    assert np.isnan(match_rates(compared, probes, gallery, 0)[-1])


def test_an_images_own_original_does_not_count():
    gallery = Faces(np.array(["a", "b"]), np.array(["p", "p"]), np.array([[0.0], [9.0]]))
    probe = Faces(np.array(["a"]), np.array(["p"]), np.array([[0.0]]))
    assert match_rates(EUCLIDEAN, probe, gallery, -1.0) == [0]
    # Another person's image of that value is no match either, and one of another name is.
    stranger = Faces(np.array(["a", "b", "c"]), np.array(["p", "p", "q"]), np.array([[0.0], [9.0], [0.0]]))
    assert match_rates(EUCLIDEAN, probe, stranger, -1.0) == [0]
    another = Faces(np.array(["a", "b", "c"]), np.array(["p", "p", "p"]), np.array([[0.0], [9.0], [0.0]]))
    assert match_rates(EUCLIDEAN, probe, another, -1.0) == [0.5]


def test_at_the_threshold_a_pair_matches():
    gallery = Faces(np.array(["a", "b"]), np.array(["p", "p"]), np.array([[0.0], [1.0]]))
    assert match_rates(EUCLIDEAN, gallery, gallery, -1.0).tolist() == [1, 1]
    assert match_rates(EUCLIDEAN, gallery, gallery, np.nextafter(-1.0, 0)).tolist() == [0, 0]


@BOTH
def test_the_order_of_rows_changes_nothing(compared):
    gallery, probes = faces(IMAGES), faces(IMAGES, seed=1)
    (moved, order), (mixed, _) = shuffled(probes), shuffled(gallery)
    value = {COSINE: 0.5, EUCLIDEAN: -2.0}[compared]
    rates = match_rates(compared, probes, gallery, value)
    assert np.array_equal(match_rates(compared, moved, mixed, value), rates[order], equal_nan=True)
    places = ranks(compared, probes, gallery)
    assert np.array_equal(ranks(compared, moved, mixed), places[order])
    assert not np.array_equal(places[order], places)


# ── Ranks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@BOTH
def test_ranks_are_those_of_a_loop_over_persons(compared):
    gallery, probes = faces(IMAGES, spread=2), faces(IMAGES, seed=1, spread=2)
    expected = []
    for image, person, embedding in zip(probes.images, probes.persons, probes.embeddings, strict=True):
        best: dict[str, float] = {}
        for name, owner, other in zip(gallery.images, gallery.persons, gallery.embeddings, strict=True):
            score = alike(compared, embedding, other) if name != image else -math.inf
            best[owner] = max(score, best.get(owner, -math.inf))
        expected.append(1 + sum(value > best[person] for value in best.values()))
    assert ranks(compared, probes, gallery).tolist() == expected
    # An identity whose only image is excluded comes last.
    assert set(expected[:-1]) > {1, 2} and expected[-1] == 4


def test_of_equally_similar_persons_the_probes_own_comes_first():
    gallery = Faces(np.array(["a", "b", "c"]), np.array(["z", "a", "m"]), np.array([[1.0], [-1.0], [0.5]]))
    probe = Faces(np.array(["x"]), np.array(["z"]), np.array([[0.0]]))
    assert ranks(EUCLIDEAN, probe, gallery) == [2]
    assert ranks(EUCLIDEAN, probe, gallery.of(["a", "b"])) == [1]


def test_a_person_counts_once_at_the_best_image():
    gallery = Faces(np.array(list("abcd")), np.array(["p", "q", "q", "q"]), np.array([[3.0], [1.0], [1.5], [2.0]]))
    probe = Faces(np.array(["x"]), np.array(["p"]), np.array([[0.0]]))
    assert ranks(EUCLIDEAN, probe, gallery) == [2]


def test_a_probe_of_an_identity_outside_the_gallery_is_refused():
    gallery, probe = faces({"a0": "a", "b0": "b"}), faces({"c0": "c"})
    with pytest.raises(ValueError, match="gallery must contain"):
        ranks(COSINE, probe, gallery)


# ── Faces and enrolment ───────────────────────────────────────────────────────────────────────────────────────────


def test_faces_are_taken_by_name_and_put_together():
    some = faces(IMAGES)
    chosen = some.of(["b0", "c3", "c0"])
    assert chosen.images.tolist() == ["b0", "c3", "c0"] and chosen.persons.tolist() == ["b", "c", "c"]
    assert np.array_equal(chosen.embeddings, some.embeddings[[9, 3, 0]])
    with pytest.raises(KeyError):
        some.of(["c4"])
    both = some.of(["a0"]) + some.of(["d1"])
    assert both.images.tolist() == ["a0", "d1"] and both.persons.tolist() == ["a", "d"]
    assert np.array_equal(both.embeddings, some.of(["a0", "d1"]).embeddings)


def crowd(seed: int = 5) -> Faces:
    """Thirty identities of three images: 3,915 impostor pairs."""
    names = {f"{chr(0x4E00 + person)}{number}": chr(0x4E00 + person) for person in range(30) for number in range(3)}
    made = faces(names, seed)
    return Faces(made.images, made.persons, (made.embeddings + 1).astype(np.float32))


@BOTH
def test_thresholds_come_from_the_others_alone(compared):
    others = crowd()
    similarities = [
        alike(compared, others.embeddings[i].astype(float), others.embeddings[j].astype(float))
        for i in range(90)
        for j in range(i)
        if others.persons[i] != others.persons[j]
    ]
    enrolment = Enrolment.of(compared, faces(IMAGES), others)
    percent, thousandth = enrolment.thresholds
    assert (percent.fmr, percent.pairs, percent.note) == (0.01, 3915, "")
    # 39 of 3,915 may match.
    assert sorted(similarities)[-40] < percent.value + 1e-9 and percent.value < sorted(similarities)[-39]
    assert math.isnan(thousandth.value)
    assert thousandth.note == "needs 30,000 pairs of other persons; there are 3,915"
    # Whoever is recognised.
    assert Enrolment.of(compared, faces(IMAGES, seed=9), others).thresholds[0] == percent
    assert Enrolment.of(compared, faces(IMAGES), crowd(seed=6)).thresholds[0] != percent


def test_only_a_centred_recogniser_subtracts_the_mean():
    gallery, others = faces(IMAGES), crowd()
    plain, centred = (Enrolment.of(Comparison("r", "R", centred=c), gallery, others) for c in (False, True))
    rows = np.array([("c1", (1, 2, 3)), ("a0", (4, 5, 6))], [("image", "U9"), ("embedding_r", np.float32, 3)])

    assert plain.offset.tolist() == [0, 0, 0]
    for embedded, expected in ((plain.gallery, gallery), (plain.others, others)):
        assert np.array_equal(embedded.embeddings, expected.embeddings)
    assert plain.probes(rows).embeddings.tolist() == [[1, 2, 3], [4, 5, 6]]

    mean = others.embeddings.mean(axis=0)
    assert centred.offset == pytest.approx(mean) and np.abs(mean).min() > 0.1
    assert centred.gallery.embeddings == pytest.approx(gallery.embeddings - mean)
    assert centred.others.embeddings.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-6)
    probes = centred.probes(rows)
    assert probes.embeddings == pytest.approx(np.array([[1, 2, 3], [4, 5, 6]]) - mean)
    assert probes.images.tolist() == ["c1", "a0"] and probes.persons.tolist() == ["c", "a"]
    assert centred.thresholds[0].value != plain.thresholds[0].value


def test_without_other_persons_there_is_no_threshold():
    nobody = Faces(np.zeros(0, "U1"), np.zeros(0, "U1"), np.zeros((0, 3), np.float32))
    for centred in (False, True):
        enrolment = Enrolment.of(Comparison("r", "R", centred=centred), faces(IMAGES), nobody)
        assert enrolment.offset.tolist() == [0, 0, 0]
        assert [level.pairs for level in enrolment.thresholds] == [0, 0]
        assert all(math.isnan(level.value) and level.note for level in enrolment.thresholds)


def test_the_table_of_thresholds_states_their_pairs():
    enrolments = [Enrolment.of(compared, faces(IMAGES), crowd()) for compared in (COSINE, EUCLIDEAN)]
    table = thresholds_table(enrolments)
    assert list(table) == ["recogniser", "fmr", "threshold", "pairs", "persons", "note"]
    assert table["recogniser"].tolist() == ["angle", "angle", "near", "near"]
    assert table["fmr"].tolist() == [0.01, 0.001] * 2
    assert table["pairs"].tolist() == [3915] * 4 and table["persons"].tolist() == [30] * 4
    expected = [enrolments[0].thresholds[0].value, math.nan, enrolments[1].thresholds[0].value, math.nan]
    assert table["threshold"].tolist() == pytest.approx(expected, nan_ok=True)
    assert [bool(note) for note in table["note"]] == [False, True] * 2


def test_genuine_pairs_are_each_probe_with_each_other_image_of_its_person():
    probes = ["c0", "c2", "a1", "b0"]
    table = genuine_pairs(probes, faces(IMAGES))
    assert list(table) == ["image", "other", "person"]
    pairs = list(table.itertuples(index=False, name=None))
    expected = [(image, other, IMAGES[image]) for image in probes for other in IMAGES]
    assert sorted(pairs) == sorted(row for row in expected if IMAGES[row[1]] == row[2] and row[1] != row[0])
    assert len(pairs) == 3 + 3 + 2 + 0


def test_the_pairs_are_those_behind_the_rates():
    gallery, probes = faces(IMAGES), faces(IMAGES, seed=1)
    table = genuine_pairs(list(IMAGES), gallery)
    enrolled = dict(zip(gallery.images, gallery.embeddings, strict=True))
    shown = dict(zip(probes.images, probes.embeddings, strict=True))
    pairs = zip(table["image"], table["other"], strict=True)
    matched = table.assign(matched=[alike(COSINE, shown[image], enrolled[other]) >= 0.5 for image, other in pairs])
    rates = match_rates(COSINE, probes, gallery, 0.5)
    for image, rate in zip(IMAGES, rates, strict=True):
        rows = matched[matched["image"] == image]["matched"]
        assert rate == pytest.approx(rows.mean(), nan_ok=True)

"""Verification, identification, transfer and recognition at several strengths, counted by hand."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pfgvm.errors import InputError
from pfgvm.evaluation.findings.enrolment import Enrolment
from pfgvm.evaluation.findings.per_identity import (
    RECOGNISED_IMAGES_COLUMNS,
    RECOGNISED_PERSONS_COLUMNS,
    recognised_images,
    recognised_persons,
)
from pfgvm.evaluation.findings.recognition_rates import RECOGNITION_COLUMNS, over_persons, recognition
from pfgvm.evaluation.findings.sets import EvaluatedSet
from pfgvm.evaluation.findings.transfer import TRANSFER_COLUMNS, transfer
from pfgvm.evaluation.findings.verification import Faces
from pfgvm.evaluation.findings.visibility_rates import VISIBILITY_COLUMNS, AtStrength, visibility
from pfgvm.evaluation.recognition.embedding_distance import Comparison
from pfgvm.evaluation.statistics import interval
from pfgvm.report.table_data import PERSONS_COLUMNS, by_person
from tests.hand_made_sets import (
    ATTACKED,
    CLEAN,
    KNOWN,
    NOTE,
    PROTECTED,
    UNKNOWN,
    Persons,
    evaluated,
    person_of,
    rows,
)


def recognised(sets: Sequence[EvaluatedSet]) -> list[dict[str, Any]]:
    table = recognition(sets, [KNOWN], published="as is", control="noise")
    assert list(table) == RECOGNITION_COLUMNS
    return table.to_dict("records")


# ── Recognition ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_recognition_counted_by_hand():
    # Other programs read the first columns by position.
    assert ",".join(RECOGNITION_COLUMNS).startswith(
        "model,method,recogniser,seen,fmr,threshold,tmr_clean,tmr_protected,low,high,tmr_both,drop_over_random,"
        "drop_low,drop_high,rank1_clean,rank1_protected,found,"
    )
    _, _, first, second = recognised([CLEAN, PROTECTED])
    assert first == pytest.approx(
        {
            "model": "A",
            "method": "P-FGVM",
            "recogniser": "near",
            "seen": True,
            "fmr": 0.01,
            "threshold": -1,
            # (1/2 + 1 + 1/2 + 1) / 4: of a1, a2, b1, b2
            "tmr_clean": 0.75,
            # (1/2 + 1/2 + 0 + 0) / 4; a has 1/2 and b 0: of two persons drawn twice the mean is 0, 1/4 or 1/2
            "tmr_protected": 0.25,
            "low": 0,
            "high": 0.5,
            # a1 and a2 are 0.9 apart, b1 and b2 5
            "tmr_both": 0.5,
            "both_low": 0,
            "both_high": 1,
            # 0, 1/2, 1/2 and 1: of a 1/4, of b 3/4
            "drop_over_random": 0.5,
            "drop_low": 0.25,
            "drop_high": 0.75,
            # b1, at 25, is 5 from o1 and 13 from the nearest of b
            "rank1_clean": 1,
            "rank1_protected": 0.75,
            "rank1_low": 0.5,
            "rank1_high": 1,
            "rank5_clean": 1,
            "rank5_protected": 1,
            "found": 0.25,
            "aligned": 0.75,
            # Of the attacked images.
            "found_clean": 0.75,
            "images": 4,
            "note": "",
        },
        abs=1e-12,
    )
    # Without a threshold everything that needs one is missing, and the note says why.
    needing = {"threshold", "tmr_clean", "tmr_protected", "low", "high", "tmr_both", "both_low", "both_high"}
    needing |= {"drop_over_random", "drop_low", "drop_high"}
    assert {name for name, value in second.items() if value != value} == needing
    assert second["note"] == NOTE and second["fmr"] == 0.001
    assert all(second[name] == pytest.approx(first[name]) for name in first.keys() - needing - {"fmr", "note"})


def test_clean_images_are_the_baseline():
    first, _, _, _ = recognised([CLEAN, PROTECTED])
    assert first["method"] == "Clean" and not first["seen"] and first["images"] == 5
    # b3 matches one of two, too. Among the set's own images a3, which is not in it, does not count.
    assert first["tmr_clean"] == first["tmr_protected"] == pytest.approx(0.7)
    assert first["tmr_both"] == pytest.approx(0.8)
    assert first["rank1_protected"] == first["rank1_clean"] == 1
    assert (first["drop_over_random"], first["drop_low"], first["drop_high"]) == (0, 0, 0)


def test_the_order_of_rows_changes_nothing():
    order = np.random.default_rng(1).permutation(len(PROTECTED.rows))
    shuffled = EvaluatedSet("A", "P-FGVM", "near", PROTECTED.rows[order])
    rates, expected = (pd.DataFrame(recognised([CLEAN, image_set])) for image_set in (shuffled, PROTECTED))
    pd.testing.assert_frame_equal(rates, expected, rtol=1e-12)


def test_missing_values_do_not_count_in_a_mean_over_persons():
    persons = np.array(["a", "a", "b", "b"])
    assert over_persons(np.array([0.5, math.nan, 1, 0]), persons)[0] == 0.5
    assert over_persons(np.array([1, 1, 0, math.nan]), persons) == (pytest.approx(2 / 3), 0, 1)
    assert np.isnan(over_persons(np.full(4, math.nan), persons)).all()


def test_a_centred_recogniser_with_constant_embeddings_is_refused():
    faces = Faces(np.array(["a1", "a2", "b1"]), np.array(["a", "a", "b"]), np.ones((3, 4), np.float32))
    with pytest.raises(InputError, match="flat: 3 of 3 embeddings"):
        Enrolment.of(Comparison("flat", "Flat", centred=True), faces, faces)


# ── Results per identity and image ────────────────────────────────────────────────────────────────────────────────


def test_mr_and_l2_per_identity_counted_by_hand():
    scores = pd.DataFrame(
        [
            ("A", "P-FGVM", "b1", "t", 3.0, "float"),
            ("A", "P-FGVM", "a1", "a", 1.0, "float"),
            ("A", "P-FGVM", "a2", "t", 2.0, "float"),
            ("A", "P-FGVM", "a2", "a", 8.0, "8bit"),
            ("A", "I-FGSM", "a1", "a", 7.0, "float"),
            ("B", "P-FGVM", "a1", "x", 6.0, "float"),
        ],
        columns=["model", "method", "image", "predicted", "l2", "pixels"],
    )
    rates = by_person(scores.assign(person=scores["image"].map(person_of)))
    assert list(rates) == PERSONS_COLUMNS == ["model", "method", "person", "images", "l2", "mr"]
    assert list(rates.itertuples(index=False, name=None)) == [
        ("A", "P-FGVM", "a", 2, 1.5, 0.5),
        ("A", "P-FGVM", "b", 1, 3.0, 1.0),
        ("A", "I-FGSM", "a", 1, 7.0, 0.0),
        ("B", "P-FGVM", "a", 1, 6.0, 1.0),
    ]


def test_recognition_per_identity_counted_by_hand():
    rates = recognised_persons([CLEAN, PROTECTED], [KNOWN], published="as is")
    assert list(rates) == RECOGNISED_PERSONS_COLUMNS
    # As in test_recognition_counted_by_hand, before its means over persons.
    assert list(rates.itertuples(index=False, name=None))[2:] == [
        ("A", "P-FGVM", "near", "a", 2, 0.75, 0.5),
        ("A", "P-FGVM", "near", "b", 2, 0.75, 0.0),
    ]
    without = recognised_persons([PROTECTED], [UNKNOWN], published="as is")
    assert without["person"].tolist() == ["a", "b"]
    assert without[["tmr_clean", "tmr_protected"]].isna().all(axis=None)


def test_the_rates_are_means_of_those_per_image():
    rates = recognised_images([PROTECTED], [KNOWN], published="as is")
    assert list(rates) == RECOGNISED_IMAGES_COLUMNS
    assert rates["image"].tolist() == ATTACKED.split()
    per_identity = recognised_persons([PROTECTED], [KNOWN], published="as is").set_index("person")
    for state in ("clean", "protected"):
        means = rates.groupby(rates["image"].str[0])[f"tmr_{state}"].mean()
        assert means.to_dict() == per_identity[f"tmr_{state}"].to_dict()
    overall = recognised([CLEAN, PROTECTED])[-1]
    assert (rates["rank_protected"] == 1).mean() == overall["rank1_protected"]
    assert (rates["rank_clean"] == 1).mean() == overall["rank1_clean"]


# ── Transfer ──────────────────────────────────────────────────────────────────────────────────────────────────────


def predicted(model: str, method: str, images: str, of: dict[str, str], target: str = "") -> EvaluatedSet:
    """A set attacked on `model`, and the predictions of each model, one letter an image; target: likewise, or none."""
    columns = {f"predicted_{name}": list(letters) for name, letters in of.items()}
    targets = list(target) or [""] * len(images.split())
    # The other view must not count.
    return evaluated(method, rows("as is", images, target=targets, **columns), rows("JPEG", images), model=model)


def test_transfer_counted_by_hand():
    sets = [
        predicted("A", "Clean", "a1 a2 b1 b2", {"A": "aabb", "B": "aaba"}),
        predicted("A", "P-FGVM", "a2 b1 b2", {"A": "bba", "B": "bba"}, target="baa"),
        predicted("B", "Clean", "a1 a2 b1 b2", {"A": "aabb", "B": "aaba"}),
        predicted("B", "Other tool", "a1 b2", {"A": "ab", "B": "bb"}),
    ]
    table = transfer(sets, Persons(), published="as is")
    assert list(table) == TRANSFER_COLUMNS
    rows = list(table.itertuples(index=False, name=None))
    assert [row[:4] for row in rows] == [
        ("A", "Clean", "B", 4),
        ("A", "P-FGVM", "B", 3),
        ("B", "Clean", "A", 4),
        ("B", "Other tool", "A", 2),
    ]
    # mr, target_rate, and the judge's error on the same images when clean.
    expected = [(0.25, math.nan, 0.25), (2 / 3, 2 / 3, 1 / 3), (0, math.nan, 0), (0, math.nan, 0)]
    assert [(row[4], row[7], row[8]) for row in rows] == [pytest.approx(row, nan_ok=True) for row in expected]
    assert [row[5:7] for row in rows] == [interval(1, 4), interval(2, 3), interval(0, 4), interval(0, 2)]


def test_a_single_model_has_no_other_judge():
    assert transfer([predicted("A", "Clean", "a1", {"A": "a"})], Persons(), published="as is").empty


# ── Several strengths ─────────────────────────────────────────────────────────────────────────────────────────────


def test_recognition_at_several_strengths_counted_by_hand():
    whole = rows(
        "as is",
        ATTACKED,
        near=[0.5, 1.4, 25, 20],
        mssim_face=[0.9, 0.8, 0.7, 0.6],
        flip_face=[0, 0.1, 0.2, 0.1],
        flip_close=[0.1, 0.2, 0.3, 0.2],
        flip_displaced=[0, 0, 0.1, 0.1],
        displacement=[0.5, 1, 2, 0.5],
    )
    half = rows("as is", ATTACKED, near=[0, 1, 10, 11], mssim_face=[1, 1, 1, 0.9])
    points = [AtStrength("", "X", "other,near", 1.0, whole), AtStrength("", "X", "other", 0.5, half)]
    weak, strong = visibility(points, [KNOWN]).to_dict("records")
    assert list(weak) == VISIBILITY_COLUMNS
    # As in test_recognition_counted_by_hand.
    assert strong == pytest.approx(
        {
            "model": "", "method": "X", "strength": 1, "images": 4, "mssim_face": 0.75, "flip_face": 0.1,
            "recogniser": "near", "seen": True, "fmr": 0.01, "tmr": 0.25, "low": 0, "high": 0.5,
            "flip_close": 0.2, "flip_displaced": 0.05, "displacement": 1,
        }
    )  # fmt: skip
    assert (weak["strength"], weak["tmr"], weak["seen"]) == (0.5, 0.75, False)
    assert visibility(points, [UNKNOWN])[["tmr", "low", "high"]].isna().all(axis=None)

"""Adaptive attackers: retraining, a growing gallery, purifiers and a detector, counted by hand."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn  # noqa: F401  # sets environment variables as it loads, not within a test

from pfgvm import seeding
from pfgvm.evaluation.findings.adaptive_attackers import ADAPTIVE_COLUMNS, adaptive
from pfgvm.evaluation.findings.enrolment import Enrolment
from pfgvm.evaluation.findings.sets import EvaluatedSet
from pfgvm.evaluation.findings.verification import Faces, Threshold
from pfgvm.evaluation.recognition.embedding_distance import Comparison
from tests.hand_made_sets import EVERYONE, NOTE, axes, evaluated, person_of, rows


def enrolled(level: float = 0.9) -> Enrolment:
    names = EVERYONE.split()
    gallery = Faces(np.array(names), np.array([person_of(image) for image in names]), axes(EVERYONE))
    others = Faces(np.array(["x1"]), np.array(["x"]), -np.ones((1, 3)))
    note = NOTE if math.isnan(level) else ""
    return Enrolment(Comparison("angle", "Angle"), gallery, others, np.zeros(3), (Threshold(0.01, level, 20, note),))


def attacked(images: str, method: str, *, turn: int, features: float, purified: str) -> EvaluatedSet:
    """Images whose embeddings are `turn` identities further; purified: Model A's predictions after the purifier."""
    grain = np.random.default_rng(0).normal(size=(len(images.split()), 2))
    return evaluated(
        method,
        rows("as is", images, angle=axes(images, turn), features=features + 0.1 * grain),
        rows("purifier", images, predicted_A=list(purified)),
    )


def by_attacker(image_set: EvaluatedSet, enrolment: Enrolment) -> dict[tuple, dict[str, Any]]:
    clean = attacked(EVERYONE, "Clean", turn=0, features=0, purified="aaaabbbbccca")
    table = adaptive([clean, image_set], [enrolment], ["purifier"], published="as is", unwarped="unwarped", seed=0)
    assert list(table) == ADAPTIVE_COLUMNS
    rows = table[table["method"] == image_set.method].to_dict("records")
    return {(row["attacker"], None if math.isnan(row["share"]) else row["share"]): row for row in rows}


def test_adaptive_attackers_counted_by_hand():
    # Other programs read the first columns by position.
    assert ADAPTIVE_COLUMNS[:8] == "model method attacker share accuracy_protected low high accuracy_clean".split()
    # Each protected image resembles the next identity's.
    results = by_attacker(attacked(EVERYONE, "P-FGVM", turn=1, features=5, purified="aabbbbcccccc"), enrolled())
    assert list(results) == [
        ("retrained", 1), ("retrained", 0.25), ("growing gallery", None), ("purifier", None), ("detector", None),
    ]  # fmt: skip
    assert [row["recogniser"] for row in results.values()][:3] == ["angle"] * 3
    assert all(pd.isna(row["recogniser"]) for row in [*results.values()][3:])

    def accuracies(row: dict[str, Any]) -> list[float]:
        return [row[name] for name in ("accuracy_protected", "low", "high", "accuracy_clean", "images")]

    # Trained on protected images alone, the recogniser classifies these correctly and clean ones as their neighbours;
    # one protected image among two clean ones has no effect.
    assert accuracies(results["retrained", 1]) == [1, 1, 1, 0, 12]
    assert accuracies(results["retrained", 0.25]) == [0, 0, 0, 1, 12]
    # Half of each identity's images are in the gallery; the others are probes.
    assert accuracies(results["growing gallery", None]) == [0, 0, 0, 1, 6]
    # Correct are a, a; b, b; all c; and all clean images but one.
    assert accuracies(results["purifier", None]) == pytest.approx([8 / 12, 0.5, 1, 11 / 12, 12])
    assert [results["detector", None][name] for name in ("auc", "auc_low", "auc_high", "images")] == [1, 1, 1, 12]
    assert all(pd.isna(row["note"]) for row in results.values())


def test_clean_images_have_no_detector():
    clean = attacked(EVERYONE, "Clean", turn=0, features=0, purified="aaaabbbbcccc")
    table = adaptive([clean], [enrolled()], ["purifier"], published="as is", unwarped="unwarped", seed=0)
    assert table["attacker"].tolist() == ["retrained", "retrained", "growing gallery", "purifier"]
    assert table["accuracy_protected"].tolist() == table["accuracy_clean"].tolist() == [1, 1, 1, 1]


def test_an_unwarped_image_is_identified_among_all_identities():
    names = EVERYONE.split()
    warped = attacked(EVERYONE, "P-FGVM (shape)", turn=1, features=5, purified="a" * 12)
    # Without the mean displacement, the images of a and b are recognised again.
    turns = [axes(image, 0 if person_of(image) in "ab" else 1)[0] for image in names]
    image_set = evaluated(warped.method, warped.rows, rows("unwarped", EVERYONE, angle=np.array(turns)))
    row = by_attacker(image_set, enrolled())["unwarped", None]
    assert (row["accuracy_protected"], row["accuracy_clean"], row["images"]) == (pytest.approx(8 / 12), 1, 12)
    assert ("unwarped", None) not in by_attacker(warped, enrolled())


def test_without_a_threshold_there_is_no_growing_gallery():
    turned = attacked(EVERYONE, "P-FGVM", turn=1, features=5, purified="a" * 12)
    row = by_attacker(turned, enrolled(math.nan))["growing gallery", None]
    assert row["note"] == NOTE and math.isnan(row["accuracy_protected"])


def test_if_every_attacked_image_is_enrolled_there_is_no_growing_gallery():
    names = [
        image
        for person in "abc"
        for image in seeding.shuffled([f"{person}{number}" for number in range(4)], 0, "enrolled", person)[:2]
    ]
    few = attacked(" ".join(names), "P-FGVM", turn=1, features=5, purified="a" * 6)
    row = by_attacker(few, enrolled())["growing gallery", None]
    assert "attack more" in row["note"] and math.isnan(row["accuracy_clean"])


def test_too_few_images_or_persons_leave_a_note():
    one_each = by_attacker(attacked("a1 b1 c1", "Few", turn=1, features=5, purified="abc"), enrolled())
    for share in (1, 0.25):
        row = one_each["retrained", share]
        assert "fewer than two persons" in row["note"] and math.isnan(row["accuracy_protected"])
    assert one_each["detector", None]["auc"] == 1
    one_person = by_attacker(attacked("a1 a2 a3", "Few", turn=1, features=5, purified="abc"), enrolled())
    assert "fewer than two persons" in one_person["retrained", 1]["note"]
    detector = one_person["detector", None]
    assert "at least two" in detector["note"] and math.isnan(detector["auc"])
    assert one_person["purifier", None]["accuracy_protected"] == pytest.approx(1 / 3)
    assert math.isnan(one_person["purifier", None]["low"])


def test_persons_with_one_image_do_not_count_in_retraining():
    results = by_attacker(attacked("a1 a2 b1 b2 c1", "Few", turn=1, features=5, purified="aabbc"), enrolled())
    assert results["retrained", 1]["images"] == 4 and results["purifier", None]["images"] == 5

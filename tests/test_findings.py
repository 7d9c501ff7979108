"""The tables of the evaluation, held against hand-made sets whose rates can be counted."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from faces_on_disk import celeba, people, picture
from numpy.lib.recfunctions import append_fields
from onnx import helper
from ruamel.yaml import YAML
from skimage.metrics import peak_signal_noise_ratio
from torchvision.models import alexnet

from pfgvm import seeding
from pfgvm.attacks import gaussian_blur
from pfgvm.attacks.methods.random_equal_l2 import random_control
from pfgvm.errors import InputError
from pfgvm.evaluation.detectability import features
from pfgvm.evaluation.findings.adaptive import ADAPTIVE_COLUMNS, adaptive
from pfgvm.evaluation.findings.by_person import (
    PERSONS_COLUMNS,
    RECOGNISED_IMAGES_COLUMNS,
    RECOGNISED_PERSONS_COLUMNS,
    by_person,
    recognised_images,
    recognised_persons,
)
from pfgvm.evaluation.findings.enrolment import PAIRS_COLUMNS, THRESHOLDS_COLUMNS, Enrolment
from pfgvm.evaluation.findings.quality import QUALITY_COLUMNS, quality
from pfgvm.evaluation.findings.recognition import RECOGNITION_COLUMNS, over_persons, recognition
from pfgvm.evaluation.findings.references import REFERENCES_COLUMNS, distance_to_best
from pfgvm.evaluation.findings.sets import EvaluatedSet
from pfgvm.evaluation.findings.survival import SURVIVAL_COLUMNS, survival
from pfgvm.evaluation.findings.transfer import TRANSFER_COLUMNS, transfer
from pfgvm.evaluation.findings.verification import Faces, Threshold
from pfgvm.evaluation.findings.visibility import VISIBILITY_COLUMNS, AtStrength, visibility
from pfgvm.evaluation.metrics import mssim
from pfgvm.evaluation.quality.metrics import QUALITY
from pfgvm.evaluation.recognition.alignment import chips
from pfgvm.evaluation.recognition.comparison import Comparison
from pfgvm.evaluation.transforms import PURIFIERS, SURVIVAL, TRANSFORMS
from pfgvm.models import model_a
from pfgvm.models.training_record import TrainingRecord
from stages import calibration, each, evaluate, finding, gallery
from stages import visibility as visibility_stage
from stages.common.adversarial_set import row_type
from stages.common.data_frames import read_table
from stages.common.evaluated_set import read_enrolments, read_evaluated
from stages.common.face_archive import read_images, write_faces
from stages.common.files import holds_nothing, write_nothing
from stages.common.program import read_settings
from stages.common.trained_model import TrainedModel
from stages.common.views import CONTROL, PUBLISHED, views
from tests.committed_settings import changed

ROOT = Path(__file__).parent.parent
QUALITY_BY_NAME = {metric.name: metric.function for metric in QUALITY}
# As other programs read them, by place.
CONTRACT = {
    "recognition": "model,method,recogniser,seen,fmr,threshold,tmr_clean,tmr_protected,low,high,tmr_both,"
    "drop_over_random,drop_low,drop_high,rank1_clean,rank1_protected,found",
    "survival": "model,method,transform,images,mr,low,high,target_rate,mssim",
    "adaptive": "model,method,attacker,share,accuracy_protected,low,high,accuracy_clean",
    "persons": "model,method,person,images,l2,mr",
}
NOTE = "needs 3,000 pairs of other persons; there are 20"
ROW = np.dtype(
    [
        ("method", "U20"),
        ("image", "U4"),
        ("seen_by", "U8"),
        ("target", "U4"),
        ("view", "U20"),
        *[(f"predicted_{model}", "U4") for model in "AB"],
        ("found", bool),
        *[(name, float) for name in ("mssim", "psnr", "flip", "ssimulacra2", "flip_face", "mssim_face")],
        ("features", np.float32, 2),
        # Embeddings: on a line, where distances are seen at a glance, and in space.
        ("embedding_near", np.float32, 1),
        ("embedding_angle", np.float32, 3),
    ]
)


def rows(view: str, images: str, **columns: Sequence) -> np.ndarray:
    """One row for each of `images`, with blanks between, in one view."""
    made = np.zeros(len(images.split()), ROW)
    made["view"], made["image"] = view, images.split()
    # An angle needs a length.
    made["embedding_angle"] = 1
    for name, values in columns.items():
        field = name if name in ROW.names else f"embedding_{name}"
        made[field] = np.reshape(values, made[field].shape)
    return made


def person_of(image: str) -> str:
    """Images are named after their persons: a1, a2, b1."""
    return image[0]


class Persons(dict):
    """The person of every image."""

    def __missing__(self, image: str) -> str:
        return person_of(image)


def near(positions: dict[str, float]) -> Faces:
    """Images on a line."""
    places = np.array(list(positions.values()), np.float32)[:, None]
    return Faces(np.array(list(positions)), np.array([person_of(image) for image in positions]), places)


NEAR = Comparison("near", "Near", distance="euclidean")
# Three images of a and b each, one unit apart; two others farther off.
GALLERY = near({"a1": 0, "a2": 1, "a3": 2, "b1": 10, "b2": 11, "b3": 12})
OTHERS = near({"o1": 30, "r1": 100})
# Two images match that are no more than one unit apart.
KNOWN = Enrolment(
    NEAR, GALLERY, OTHERS, np.zeros(1), (Threshold(0.01, -1.0, 3000, ""), Threshold(0.001, math.nan, 20, NOTE))
)
ATTACKED = "a1 a2 b1 b2"
CLEAN = EvaluatedSet(
    "A",
    "Clean",
    "",
    np.concatenate(
        [
            # The third image of b was not attacked by all.
            rows("as is", f"{ATTACKED} b3", near=[0, 1, 10, 11, 12], found=[1, 1, 1, 0, 0]),
            rows("noise", f"{ATTACKED} b3", near=[0, 1, 10, 11, 12]),
        ]
    ),
)
# Of the other images of their persons match: a1 → a2, a2 → a3, b1 and b2 none; under noise a1 → a2, a2 → both,
# b1 → b2, b2 → both.
PROTECTED = EvaluatedSet(
    "A",
    "P-FGVM",
    "near",
    np.concatenate(
        [
            rows("as is", ATTACKED, near=[0.5, 1.4, 25, 20], found=[1, 0, 0, 0]),
            rows("noise", ATTACKED, near=[0.2, 1, 10, 11]),
        ]
    ),
)


def recognised(sets: Sequence[EvaluatedSet], known: Sequence[Enrolment] = (KNOWN,)) -> list[dict[str, Any]]:
    table = recognition(sets, known, published="as is", control="noise")
    assert list(table) == RECOGNITION_COLUMNS
    return table.to_dict("records")


# ── Recognition ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("recognition", RECOGNITION_COLUMNS),
        ("survival", SURVIVAL_COLUMNS),
        ("adaptive", ADAPTIVE_COLUMNS),
        ("persons", PERSONS_COLUMNS),
    ],
)
def test_the_columns_are_the_promised_ones_and_others_come_after(name: str, columns: list[str]):
    promised = CONTRACT[name].split(",")
    assert columns[: len(promised)] == promised
    assert len(set(columns)) == len(columns)


def test_recognition_counted_by_hand():
    _, _, first, second = recognised([CLEAN, PROTECTED])
    expected = {
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
        # Of the attacked ones.
        "found_clean": 0.75,
        "images": 4,
        "note": "",
    }
    assert set(expected) == set(first)
    for name, value in expected.items():
        assert first[name] == pytest.approx(value, abs=1e-12), name
    # Without a threshold all that needs one is missing, and the note says why.
    needing = {"threshold", "tmr_clean", "tmr_protected", "low", "high", "tmr_both", "both_low", "both_high"}
    needing |= {"drop_over_random", "drop_low", "drop_high"}
    assert {name for name, value in second.items() if value != value} == needing
    assert second["note"] == NOTE and second["fmr"] == 0.001
    assert all(second[name] == pytest.approx(first[name]) for name in first.keys() - needing - {"fmr", "note"})


def test_clean_pictures_are_recognised_as_before():
    first, _, _, _ = recognised([CLEAN, PROTECTED])
    assert first["method"] == "Clean" and not first["seen"] and first["images"] == 5
    # b3 matches one of two, too. Of both protected a3, which was not attacked, does not count.
    assert first["tmr_clean"] == first["tmr_protected"] == pytest.approx(0.7)
    assert first["tmr_both"] == pytest.approx(0.8)
    assert first["rank1_protected"] == first["rank1_clean"] == 1
    # As under noise that did not move them.
    assert (first["drop_over_random"], first["drop_low"], first["drop_high"]) == (0, 0, 0)


def test_a_control_equal_to_the_picture_leaves_no_drop():
    moved = PROTECTED.rows.copy()
    moved["embedding_near"][moved["view"] == "noise"] = moved["embedding_near"][moved["view"] == "as is"]
    found = recognised([CLEAN, EvaluatedSet("A", "Same", "", moved)])[2]
    assert found["tmr_protected"] == 0.25
    assert (found["drop_over_random"], found["drop_low"], found["drop_high"]) == (0, 0, 0)


def random_sets() -> tuple[list[EvaluatedSet], Enrolment]:
    """Eight persons of four images each, three of them attacked, and 2,016 pairs of others."""
    random = np.random.default_rng(0)
    images = " ".join(f"{person}{number}" for person in "abcdefgh" for number in range(4))
    attacked = " ".join(image for image in images.split() if image[1] != "2")
    centres = {person: random.normal(size=3) for person in "abcdefgh"}

    def drawn(names: str, spread: float) -> np.ndarray:
        return np.stack([centres[person_of(image)] + spread * random.normal(size=3) for image in names.split()])

    clean = drawn(images, 0.3)
    gallery = Faces(np.array(images.split()), np.array([person_of(image) for image in images.split()]), clean)
    crowd = Faces(
        np.array([f"{chr(0x4E00 + i)}{j}" for i in range(32) for j in range(3)]),
        np.array([chr(0x4E00 + i) for i in range(32) for _ in range(3)]),
        random.normal(size=(96, 3)),
    )
    unprotected = [rows(view, images, angle=clean) for view in ("as is", "noise")]
    made = [rows("as is", attacked, angle=drawn(attacked, 0.9)), rows("noise", attacked, angle=drawn(attacked, 0.4))]
    swapped = [one.copy() for one in made]
    swapped[0]["view"], swapped[1]["view"] = "noise", "as is"
    sets = [
        EvaluatedSet("A", "Clean", "", np.concatenate(unprotected)),
        EvaluatedSet("A", "Protected", "", np.concatenate(made)),
        EvaluatedSet("A", "Noise", "", np.concatenate(swapped)),
    ]
    return sets, Enrolment.of(Comparison("angle", "Angle"), gallery, crowd)


def test_the_drop_is_that_of_the_true_match_rates():
    sets, known = random_sets()
    _, _, protected, _, noise, _ = recognised(sets, [known])
    drop = noise["tmr_protected"] - protected["tmr_protected"]
    assert protected["drop_over_random"] == pytest.approx(drop) and drop > 0.05
    assert noise["drop_over_random"] == pytest.approx(-drop)
    assert protected["drop_low"] < drop < protected["drop_high"]
    # Paired: by person, not as two independent rates.
    assert (protected["drop_low"], protected["drop_high"]) == pytest.approx(
        (-noise["drop_high"], -noise["drop_low"]), abs=0.02
    )
    assert protected["tmr_clean"] == noise["tmr_clean"] > noise["tmr_protected"]
    assert protected["rank1_clean"] >= protected["rank1_protected"] and protected["rank5_protected"] < 1


def test_the_order_of_a_sets_rows_changes_nothing():
    sets, known = random_sets()
    order = np.random.default_rng(1).permutation(len(sets[1].rows))
    mixed = [sets[0], EvaluatedSet("A", "Protected", "", sets[1].rows[order])]
    pd.testing.assert_frame_equal(
        pd.DataFrame(recognised(mixed, [known])), pd.DataFrame(recognised(sets[:2], [known])), rtol=1e-12
    )


def test_there_is_a_row_for_each_set_recogniser_and_rate():
    other = Enrolment(Comparison("angle", "Angle"), *_same_in_space(), np.zeros(3), KNOWN.thresholds)
    unseen = EvaluatedSet("A", "Unseen", "none", PROTECTED.rows)
    found = recognised([CLEAN, PROTECTED, unseen], [KNOWN, other])
    expected = [
        (method, name, fmr)
        for method in ("Clean", "P-FGVM", "Unseen")
        for name in ("near", "angle")
        for fmr in (0.01, 0.001)
    ]
    assert [(row["method"], row["recogniser"], row["fmr"]) for row in found] == expected
    assert {(row["method"], row["recogniser"]) for row in found if row["seen"]} == {("P-FGVM", "near")}


def _same_in_space() -> tuple[Faces, Faces]:
    return tuple(Faces(f.images, f.persons, np.ones((len(f.images), 3))) for f in (GALLERY, OTHERS))


def test_what_is_missing_does_not_count_in_a_mean_over_persons():
    persons = np.array(["a", "a", "b", "b"])
    assert over_persons(np.array([0.5, math.nan, 1, 0]), persons)[0] == 0.5
    assert over_persons(np.array([1, 1, 0, math.nan]), persons) == (pytest.approx(2 / 3), 0, 1)
    assert np.isnan(over_persons(np.full(4, math.nan), persons)).all()


# ── Transfer ──────────────────────────────────────────────────────────────────────────────────────────────────────


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Wilson's interval, written out."""
    z, rate = 1.959963984540054, hits / count
    middle = rate + z**2 / (2 * count)
    half = z * math.sqrt(rate * (1 - rate) / count + z**2 / (4 * count**2))
    return (middle - half) / (1 + z**2 / count), (middle + half) / (1 + z**2 / count)


def judged(model: str, method: str, images: str, predicted: dict[str, str], target: str = "") -> EvaluatedSet:
    """Pictures made on `model`, and whom models see in each, as one letter; target: likewise, or none."""
    columns = {f"predicted_{name}": list(letters) for name, letters in predicted.items()}
    targets = list(target) or [""] * len(images.split())
    # Another view, which is not to be looked at.
    return EvaluatedSet(
        model, method, "", np.concatenate([rows("as is", images, target=targets, **columns), rows("JPEG", images)])
    )


def test_transfer_counted_by_hand():
    sets = [
        judged("A", "Clean", "a1 a2 b1 b2", {"A": "aabb", "B": "aaba"}),
        judged("A", "P-FGVM", "a2 b1 b2", {"A": "bba", "B": "bba"}, target="baa"),
        judged("B", "Clean", "a1 a2 b1 b2", {"A": "aabb", "B": "aaba"}),
        judged("B", "Other tool", "a1 b2", {"A": "ab", "B": "bb"}),
    ]
    table = transfer(sets, Persons(), published="as is")
    assert list(table) == TRANSFER_COLUMNS
    found = list(table.itertuples(index=False, name=None))
    assert [row[:4] for row in found] == [
        ("A", "Clean", "B", 4),
        ("A", "P-FGVM", "B", 3),
        ("B", "Clean", "A", 4),
        ("B", "Other tool", "A", 2),
    ]
    # mr, target_rate, and the judge's error on the same images when clean.
    expected = [(0.25, math.nan, 0.25), (2 / 3, 2 / 3, 1 / 3), (0, math.nan, 0), (0, math.nan, 0)]
    assert [(row[4], row[7], row[8]) for row in found] == [pytest.approx(row, nan_ok=True) for row in expected]
    ends = [wilson(1, 4), wilson(2, 3), wilson(0, 4), wilson(0, 2)]
    assert [row[5:7] for row in found] == [pytest.approx(row) for row in ends]


def test_a_single_model_has_no_other_judge():
    assert transfer([judged("A", "Clean", "a1", {"A": "a"})], Persons(), published="as is").empty


# ── Survival ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_survival_counted_by_hand():
    values = {
        "PNG": {"predicted_A": list("bbab"), "mssim": [0.9, 0.8, 0.7, 0.6], "near": [0.5, 1.4, 25, 20]},
        "JPEG 50": {"predicted_A": list("aaab"), "mssim": [1, 1, 1, 0.9], "near": [0, 1, 10, 11]},
    }
    seen = [rows(view, ATTACKED, target=list("bbaa"), **columns) for view, columns in values.items()]
    one = EvaluatedSet("A", "P-FGVM", "", np.concatenate(seen[::-1]))
    table = survival([one], ["PNG", "JPEG 50"], Persons(), [KNOWN])
    assert list(table) == [*SURVIVAL_COLUMNS, "near_tmr", "near_low", "near_high"]
    png, jpeg = table.to_dict("records")
    ends = wilson(3, 4), wilson(1, 4)
    assert png == pytest.approx(
        {
            "model": "A", "method": "P-FGVM", "transform": "PNG", "images": 4, "mr": 0.75, "low": ends[0][0],
            "high": ends[0][1], "target_rate": 0.75, "mssim": 0.75, "near_tmr": 0.25, "near_low": 0, "near_high": 0.5,
        }
    )  # fmt: skip
    assert jpeg == pytest.approx(
        {
            "model": "A", "method": "P-FGVM", "transform": "JPEG 50", "images": 4, "mr": 0.25, "low": ends[1][0],
            "high": ends[1][1], "target_rate": 0.25, "mssim": 0.975, "near_tmr": 0.75, "near_low": 0.75,
            "near_high": 0.75,
        }
    )  # fmt: skip


def test_survival_without_targets_or_thresholds_leaves_them_out():
    one = EvaluatedSet("B", "Other tool", "", rows("PNG", "a1 b1", predicted_B=["a", "a"], near=[0, 10]))
    without = Enrolment(NEAR, GALLERY, OTHERS, np.zeros(1), (Threshold(0.01, math.nan, 20, NOTE),))
    [row] = survival([one], ["PNG"], Persons(), [without]).to_dict("records")
    assert row["mr"] == 0.5 and math.isnan(row["target_rate"])
    assert all(math.isnan(row[name]) for name in ("near_tmr", "near_low", "near_high"))


# ── Attackers who know ────────────────────────────────────────────────────────────────────────────────────────────


SPACE = Comparison("angle", "Angle")
EVERYONE = " ".join(f"{person}{number}" for person in "abc" for number in range(4))


def axes(images: str, turn: int = 0) -> np.ndarray:
    """Embeddings along each person's axis, or `turn` persons further, a little apart by image."""
    places = np.eye(3)[[("abc".index(person_of(image)) + turn) % 3 for image in images.split()]]
    apart = np.array([[int(image[1]), -int(image[1]), 1] for image in images.split()])
    return places + 0.01 * apart


def in_space(level: float = 0.9) -> Enrolment:
    names = EVERYONE.split()
    gallery = Faces(np.array(names), np.array([person_of(image) for image in names]), axes(EVERYONE))
    others = Faces(np.array(["x1"]), np.array(["x"]), -np.ones((1, 3)))
    note = NOTE if math.isnan(level) else ""
    return Enrolment(SPACE, gallery, others, np.zeros(3), (Threshold(0.01, level, 20, note),))


def attacked_in_space(images: str, method: str, *, turn: int, features: float, washed: str) -> EvaluatedSet:
    """Pictures whose embeddings lie `turn` persons further; washed: whom Model A sees after the purifier."""
    grain = np.random.default_rng(0).normal(size=(len(images.split()), 2))
    return EvaluatedSet(
        "A",
        method,
        "",
        np.concatenate(
            [
                rows("as is", images, angle=axes(images, turn), features=features + 0.1 * grain),
                rows("wash", images, predicted_A=list(washed)),
            ]
        ),
    )


def attacks(one: EvaluatedSet, known: Enrolment) -> dict[tuple, dict[str, Any]]:
    clean = attacked_in_space(EVERYONE, "Clean", turn=0, features=0, washed="aaaabbbbccca")
    table = adaptive([clean, one], [known], ["wash"], published="as is", seed=0)
    assert list(table) == ADAPTIVE_COLUMNS
    found = table[table["method"] == one.method].to_dict("records")
    return {(row["attacker"], None if math.isnan(row["share"]) else row["share"]): row for row in found}


def test_what_attackers_reach_counted_by_hand():
    # Everyone's protected pictures look like the next person's.
    turned = attacked_in_space(EVERYONE, "P-FGVM", turn=1, features=5, washed="aabbbbcccccc")
    found = attacks(turned, in_space())
    assert list(found) == [
        ("retrained", 1), ("retrained", 0.25), ("growing gallery", None), ("wash", None), ("detector", None),
    ]  # fmt: skip
    assert [row["recogniser"] for row in found.values()][:3] == ["angle"] * 3
    assert all(pd.isna(row["recogniser"]) for row in [*found.values()][3:])

    def accuracies(row: dict[str, Any]) -> list[float]:
        return [row[name] for name in ("accuracy_protected", "low", "high", "accuracy_clean", "images")]

    # Who learned protected pictures alone knows these and takes clean ones for their neighbours; of one protected
    # picture among two clean ones nothing is learned.
    assert accuracies(found["retrained", 1]) == [1, 1, 1, 0, 12]
    assert accuracies(found["retrained", 0.25]) == [0, 0, 0, 1, 12]
    # Half of each person's images are in the gallery; the others come.
    assert accuracies(found["growing gallery", None]) == [0, 0, 0, 1, 6]
    # Right are a, a; b, b; all c; and of the clean ones all but one.
    protected, low, high, clean, images = accuracies(found["wash", None])
    assert (protected, clean, images) == (pytest.approx(8 / 12), pytest.approx(11 / 12), 12)
    assert (low, high) == (0.5, 1)
    assert [found["detector", None][name] for name in ("auc", "auc_low", "auc_high", "images")] == [1, 1, 1, 12]
    assert all(pd.isna(row["note"]) for row in found.values())


def test_clean_pictures_are_told_from_nothing():
    clean = attacked_in_space(EVERYONE, "Clean", turn=0, features=0, washed="aaaabbbbcccc")
    table = adaptive([clean], [in_space()], ["wash"], published="as is", seed=0)
    assert table["attacker"].tolist() == ["retrained", "retrained", "growing gallery", "wash"]
    assert table["accuracy_protected"].tolist() == table["accuracy_clean"].tolist() == [1, 1, 1, 1]


def test_without_a_threshold_no_gallery_grows():
    turned = attacked_in_space(EVERYONE, "P-FGVM", turn=1, features=5, washed="a" * 12)
    row = attacks(turned, in_space(math.nan))["growing gallery", None]
    assert row["note"] == NOTE and math.isnan(row["accuracy_protected"])


def test_a_gallery_that_holds_every_attacked_image_is_shown_nothing():
    enrolled = [
        image
        for person in "abc"
        for image in seeding.shuffled([f"{person}{number}" for number in range(4)], 0, "enrolled", person)[:2]
    ]
    few = attacked_in_space(" ".join(enrolled), "P-FGVM", turn=1, features=5, washed="a" * 6)
    row = attacks(few, in_space())["growing gallery", None]
    assert row["note"] == "every attacked image is in the gallery; attack more" and math.isnan(row["accuracy_clean"])


def test_what_cannot_be_learned_has_a_note():
    # One image of each of three persons, then several of one.
    one_each = attacks(attacked_in_space("a1 b1 c1", "Few", turn=1, features=5, washed="abc"), in_space())
    for share in (1, 0.25):
        row = one_each["retrained", share]
        assert "fewer than two persons" in row["note"] and math.isnan(row["accuracy_protected"])
    assert one_each["detector", None]["auc"] == 1
    alone = attacks(attacked_in_space("a1 a2 a3", "Few", turn=1, features=5, washed="abc"), in_space())
    assert "fewer than two persons" in alone["retrained", 1]["note"]
    assert "give at least two" in alone["detector", None]["note"] and math.isnan(alone["detector", None]["auc"])
    assert alone["wash", None]["accuracy_protected"] == pytest.approx(1 / 3)
    assert math.isnan(alone["wash", None]["low"])


def test_persons_with_one_picture_are_not_counted_where_they_take_no_part():
    found = attacks(attacked_in_space("a1 a2 b1 b2 c1", "Few", turn=1, features=5, washed="aabbc"), in_space())
    assert found["retrained", 1]["images"] == 4 and found["wash", None]["images"] == 5


# ── Quality, references, persons ──────────────────────────────────────────────────────────────────────────────────


def test_quality_is_the_mean_over_pictures_but_for_unchanged_ones_in_psnr():
    values = {
        "mssim": [0.9, 0.7, 1, 1],
        "psnr": [40, math.inf, 30, math.inf],
        "flip": [0, 0.1, 0.2, 0.3],
        "ssimulacra2": [90, 80, 70, -20],
        "flip_face": [0, 0, 0, 0.4],
        "mssim_face": [1, 1, 0, 0],
    }
    sets = [
        EvaluatedSet("A", "P-FGVM", "", np.concatenate([rows("as is", ATTACKED, **values), rows("JPEG", ATTACKED)])),
        EvaluatedSet("A", "Clean", "", rows("as is", ATTACKED, mssim=[1] * 4, psnr=[math.inf] * 4)),
    ]
    table = quality(sets, Persons(), published="as is")
    assert list(table) == QUALITY_COLUMNS
    assert QUALITY_COLUMNS[:6] == ["model", "method", "images", "mssim", "mssim_low", "mssim_high"]
    first, clean = table.to_dict("records")
    assert (first["model"], first["method"], first["images"]) == ("A", "P-FGVM", 4)
    means = {"mssim": 0.9, "psnr": 35, "flip": 0.15, "ssimulacra2": 55, "flip_face": 0.1, "mssim_face": 0.5}
    assert {name: first[name] for name in means} == pytest.approx(means)
    # By person: a and b have 0.8 and 1, and 40 and 30.
    assert (first["mssim_low"], first["mssim_high"]) == pytest.approx((0.8, 1))
    assert (first["psnr_low"], first["psnr_high"]) == (30, 40)
    assert math.isnan(clean["psnr"]) and clean["mssim"] == clean["mssim_low"] == 1
    assert table["lpips"].isna().all()
    with_lpips = append_fields(sets[1].rows, "lpips", [0.1, 0.3, 0.0, 0.0], usemask=False)
    found = quality([EvaluatedSet("A", "Clean", "", with_lpips)], Persons(), published="as is")
    assert tuple(found.loc[0, ["lpips", "lpips_low", "lpips_high"]]) == pytest.approx((0.1, 0, 0.2))


def scores(*lines: tuple[str, str, str, str, float, str]) -> pd.DataFrame:
    """Lines of model, method, image, whom the model sees, L2, and the pixel format."""
    table = pd.DataFrame(lines, columns=["model", "method", "image", "predicted", "l2", "pixels"])
    return table.assign(person=table["image"].map(person_of), target="t")


def test_the_best_known_l2_is_taken_image_by_image_among_those_that_reach():
    table = scores(
        ("A", "P-FGVM", "a1", "t", 3.0, "float"),
        ("A", "P-FGVM", "a2", "t", 4.0, "float"),
        ("A", "P-FGVM", "b1", "t", 2.0, "float"),
        # Neither misses its own person nor reaches the target.
        ("A", "P-FGVM", "b2", "b", 0.1, "float"),
        ("A", "I-FGSM", "a1", "t", 2.5, "float"),
        ("A", "I-FGSM", "a2", "x", 0.2, "float"),
        ("A", "DDN", "a1", "t", 1.0, "float"),
        ("A", "DDN", "a2", "t", 5.0, "float"),
        ("A", "DDN", "b1", "x", 0.3, "float"),
        # Not among those that are asked for.
        ("A", "Noise", "a1", "t", 0.01, "float"),
        # As published, and on a model without references.
        ("A", "DDN", "b1", "t", 0.4, "8bit"),
        ("B", "P-FGVM", "a1", "t", 9.0, "float"),
    )
    found = distance_to_best(table, ("P-FGVM", "I-FGVM", "I-FGSM"), ("DDN", "FMN"))
    assert list(found) == REFERENCES_COLUMNS
    rows_found = {row["method"]: row for row in found.to_dict("records")}
    assert list(rows_found) == ["P-FGVM", "I-FGSM", "DDN"] and set(found["model"]) == {"A"}
    # The best known: 1 of a1, 4 of a2 (P-FGVM's own), 2 of b1. Excess: 2 and 0 of a, 0 of b.
    assert rows_found["P-FGVM"] == pytest.approx(
        {
            "model": "A", "method": "P-FGVM", "images": 3, "reached": 0.75, "l2": 3, "l2_best": 7 / 3,
            "excess": 2 / 3, "low": 0, "high": 1,
        }
    )  # fmt: skip
    assert (rows_found["I-FGSM"]["excess"], rows_found["I-FGSM"]["reached"]) == (1.5, 0.5)
    assert math.isnan(rows_found["I-FGSM"]["low"])
    assert (rows_found["DDN"]["l2"], rows_found["DDN"]["l2_best"], rows_found["DDN"]["excess"]) == (3, 2.5, 0.5)


def test_without_references_nothing_is_the_best_known():
    found = distance_to_best(scores(("A", "P-FGVM", "a1", "t", 3.0, "float")), ("P-FGVM",), ("DDN",))
    assert list(found) == REFERENCES_COLUMNS and found.empty


def test_persons_counted_by_hand():
    table = scores(
        ("A", "P-FGVM", "b1", "t", 3.0, "float"),
        ("A", "P-FGVM", "a1", "a", 1.0, "float"),
        ("A", "P-FGVM", "a2", "t", 2.0, "float"),
        ("A", "P-FGVM", "a2", "a", 8.0, "8bit"),
        ("A", "I-FGSM", "a1", "a", 7.0, "float"),
        ("B", "P-FGVM", "a1", "x", 6.0, "float"),
    )
    found = by_person(table)
    assert list(found) == PERSONS_COLUMNS
    assert list(found.itertuples(index=False, name=None)) == [
        ("A", "P-FGVM", "a", 2, 1.5, 0.5),
        ("A", "P-FGVM", "b", 1, 3.0, 1.0),
        ("A", "I-FGSM", "a", 1, 7.0, 0.0),
        ("B", "P-FGVM", "a", 1, 6.0, 1.0),
    ]


def test_recognition_by_person_counted_by_hand():
    found = recognised_persons([CLEAN, PROTECTED], [KNOWN], published="as is")
    assert list(found) == RECOGNISED_PERSONS_COLUMNS
    # As in test_recognition_counted_by_hand, before its means over persons; b3 was attacked by nobody but `Clean`.
    assert list(found.itertuples(index=False, name=None))[2:] == [
        ("A", "P-FGVM", "near", "a", 2, 0.75, 0.5),
        ("A", "P-FGVM", "near", "b", 2, 0.75, 0.0),
    ]


def test_recognition_by_image_is_what_its_means_are_made_of():
    found = recognised_images([PROTECTED], [KNOWN], published="as is")
    assert list(found) == RECOGNISED_IMAGES_COLUMNS
    assert found["image"].tolist() == PROTECTED.view("as is")["image"].tolist()
    persons = found["image"].str[0]
    by_person = recognised_persons([PROTECTED], [KNOWN], published="as is").set_index("person")
    for state in ("clean", "protected"):
        assert found.groupby(persons)[f"tmr_{state}"].mean().to_dict() == by_person[f"tmr_{state}"].to_dict()
    overall = recognition([CLEAN, PROTECTED], [KNOWN], published="as is", control="noise").iloc[-1]
    assert (found["rank_protected"] == 1).mean() == overall["rank1_protected"]
    assert (found["rank_clean"] == 1).mean() == overall["rank1_clean"]


def test_recognition_by_person_without_a_threshold_is_unknown():
    unknown = dataclasses.replace(KNOWN, thresholds=(Threshold(0.01, math.nan, 20, NOTE),))
    found = recognised_persons([PROTECTED], [unknown], published="as is")
    assert found["person"].tolist() == ["a", "b"] and found[["tmr_clean", "tmr_protected"]].isna().all(axis=None)


def test_visibility_counted_by_hand():
    whole = rows(
        "as is", ATTACKED, near=[0.5, 1.4, 25, 20], mssim_face=[0.9, 0.8, 0.7, 0.6], flip_face=[0, 0.1, 0.2, 0.1]
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
        }
    )  # fmt: skip
    assert (weak["strength"], weak["tmr"], weak["seen"]) == (0.5, 0.75, False)
    unknown = dataclasses.replace(KNOWN, thresholds=(Threshold(0.01, math.nan, 20, NOTE),))
    assert visibility(points, [unknown])[["tmr", "low", "high"]].isna().all(axis=None)


# ── The stages ────────────────────────────────────────────────────────────────────────────────────────────────────


ALL = ["recognition", "survival", "adaptive", "quality", "curves"]
COLUMNS = {
    "recognition": RECOGNITION_COLUMNS,
    "thresholds": THRESHOLDS_COLUMNS,
    "pairs": PAIRS_COLUMNS,
    "recognised_persons": RECOGNISED_PERSONS_COLUMNS,
    "recognised_images": RECOGNISED_IMAGES_COLUMNS,
    "transfer": TRANSFER_COLUMNS,
    "survival": SURVIVAL_COLUMNS,
    "adaptive": ADAPTIVE_COLUMNS,
    "quality": QUALITY_COLUMNS,
    "visibility": VISIBILITY_COLUMNS,
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A working directory that holds the committed settings with changes (__ for the dot)."""
    monkeypatch.chdir(tmp_path)

    def configured(**changes: object) -> Path:
        values = changed({key.replace("__", "."): value for key, value in changes.items()})
        YAML(typ="safe", pure=True).dump(values, tmp_path / "params.yaml")
        return tmp_path

    return configured


def test_views_are_those_that_the_parts_look_at():
    assert views(["quality"]) == views([]) == [PUBLISHED] == ["PNG"]
    assert views(["recognition"]) == ["PNG", CONTROL]
    assert views(["survival"]) == list(SURVIVAL)
    assert views(["adaptive"]) == ["PNG", "median 3x3", "JPEG 50"]
    everything = views(ALL)
    assert set(everything) == {*SURVIVAL, *PURIFIERS, CONTROL} and len(set(everything)) == len(everything)
    assert everything[0] == PUBLISHED


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_not_asked_for_is_its_header(project, table: str):
    folder = project(evaluation__parts=["references"])
    # Nothing but the settings is there.
    missing = folder / "missing"
    files = dict.fromkeys(("evaluated", "strengths", "gallery", "split"), missing)
    finding.main(table=table, out=folder / "table.csv", **files)
    assert (folder / "table.csv").read_text() == ",".join(COLUMNS[table]) + "\n"


def written(folder: Path) -> dict[str, Path]:
    """Files as the stages before `finding` write them: a gallery, evaluated sets, the split."""
    random = np.random.default_rng(0)
    fields = ("embedding_dlib", "embedding_sface")
    embeddings = [(name, np.float32, 3) for name in fields]
    names = EVERYONE.split()
    crowd = [f"{chr(0x4E00 + i)}{j}" for i in range(32) for j in range(3)]
    gallery = np.zeros(len(names) + len(crowd), [("image", "U4"), ("person", "U4"), ("group", "U11"), *embeddings])
    gallery["image"], gallery["group"] = names + crowd, ["gallery"] * 12 + ["calibration"] * 96
    gallery["person"] = [person_of(image) for image in names + crowd]
    for name in fields:
        gallery[name] = np.concatenate([axes(EVERYONE), random.normal(size=(96, 3))])
    np.save(folder / "gallery.npy", gallery)

    own = [(name, ROW[name]) for name in ROW.names if not name.startswith("embedding_")]
    row, forms = np.dtype([("model", "U1"), *own, *embeddings]), views(ALL)
    # Where no model had a part, the images are in A's file alone.
    for path, methods in {
        "A/clean": ["Clean"], "A/external": ["tool", "other"], "A/p_fgvm": ["P-FGVM"], "B/p_fgvm": ["P-FGVM"],
    }.items():  # fmt: skip
        made = np.zeros((len(methods), 12, len(forms)), row)
        made["method"], made["image"], made["view"] = np.reshape(methods, (-1, 1, 1)), np.reshape(names, (-1, 1)), forms
        attacked = path.endswith("p_fgvm")
        made["model"] = path[0] if attacked else ""
        made["seen_by"] = "dlib" if path == "B/p_fgvm" else ""
        made["predicted_A"] = made["predicted_B"] = np.reshape([person_of(name) for name in names], (-1, 1))
        made["features"] = random.normal(size=(len(methods), 12, 1, 2)) + (0 if path == "A/clean" else 5)
        for name in fields:
            made[name] = axes(EVERYONE, turn=int(attacked))[:, None]
        (folder / "evaluated" / path).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / "evaluated" / f"{path}.npy", made.ravel())
    for path in ("A/ddn", "B/clean", "B/external"):
        write_nothing(folder / "evaluated" / f"{path}.npy")
    fields_at = [("method", "U20"), ("model", "U1"), ("image", "U4"), ("seen_by", "U8"), ("strength", float)]
    row = np.dtype([*fields_at, ("mssim_face", float), ("flip_face", float), *embeddings])
    for path, method in {"B/p_fgvm": "P-FGVM", "any/pixelation": "Pixelation"}.items():
        made = np.zeros((12, 2), row)
        made["method"], made["model"], made["image"] = method, path[0].strip("a"), np.reshape(names, (-1, 1))
        made["seen_by"], made["strength"] = "dlib" if path[0] == "B" else "", [0.5, 1.0]
        for name in fields:
            made[name] = axes(EVERYONE)[:, None]
        (folder / "visibility" / path).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / "visibility" / f"{path}.npy", made.ravel())
    write_nothing(folder / "visibility" / "any" / "gaussian_blur.npy")
    split = "".join(f"{name},{person_of(name)},train\n" for name in names)
    (folder / "split.csv").write_text("image,person,split\n" + split)
    return {
        "evaluated": folder / "evaluated",
        "strengths": folder / "visibility",
        "gallery": folder / "gallery.npy",
        "split": folder / "split.csv",
    }


def test_sets_and_enrolments_come_back_from_their_files(project):
    folder = project(evaluation__parts=ALL)
    files = written(folder)
    sets = read_evaluated(files["evaluated"])
    assert sorted((one.model, one.method, one.seen_by) for one in sets) == [
        (model, method, "dlib" if (model, method) == ("B", "P-FGVM") else "")
        for model in "AB"
        for method in ("Clean", "P-FGVM", "other", "tool")
    ]
    assert all(one.view(CONTROL)["image"].tolist() == EVERYONE.split() for one in sets)
    dlib, sface = read_enrolments(files["gallery"], read_settings())
    assert (dlib.recogniser.distance, sface.recogniser.distance) == ("euclidean", "cosine")
    assert len(dlib.gallery.images) == 12 and len(dlib.others.images) == 96
    assert np.allclose(sface.gallery.embeddings, axes(EVERYONE)) and sface.thresholds[0].pairs == 96 * 93 // 2


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_asked_for_is_made_of_the_files(project, table: str):
    folder = project(evaluation__parts=ALL)
    files = written(folder)
    finding.main(table=table, out=folder / "table.csv", **files)
    found = read_table(folder / "table.csv")
    assert list(found)[: len(COLUMNS[table])] == COLUMNS[table]
    counts = {
        # sets x recognisers x rates
        "recognition": 8 * 2 * 2,
        "thresholds": 2 * 2,
        # images x others of their persons
        "pairs": 12 * 3,
        # sets x recognisers x persons
        "recognised_persons": 8 * 2 * 3,
        # sets x recognisers x images
        "recognised_images": 8 * 2 * 12,
        "transfer": 8,
        "survival": 8 * len(SURVIVAL),
        # of each recogniser two that retrain and one that collects; the purifiers; a detector but for clean sets
        "adaptive": 8 * (2 * 3 + 2) + 6,
        "quality": 8,
        # methods x strengths x recognisers
        "visibility": 2 * 2 * 2,
    }
    assert len(found) == counts[table]
    if table == "recognition":
        rates = found[found["fmr"] == "0.01"].groupby("method")["tmr_protected"].agg(set)
        assert rates.map(lambda own: {float(rate) for rate in own}).to_dict() == {
            "Clean": {1}, "tool": {1}, "other": {1}, "P-FGVM": {0},
        }  # fmt: skip
        assert found[found["seen"] == "True"].groupby(["model", "method", "recogniser"]).size().to_dict() == {
            ("B", "P-FGVM", "dlib"): 2
        }


def test_only_other_persons_set_the_thresholds(project):
    folder = project(
        evaluation__parts=["survival"],
        evaluation__calibration={"persons": 3, "images_per_person": 2},
        data__source="celeba",
        data__root="faces",
    )
    faces = people(6, 4)
    # One of the others has a single image.
    faces["60"] = dict(list(faces["60"].items())[:1])
    celeba(folder / "faces", faces)
    (folder / "subset.csv").write_text("image,person\n" + "".join(f"{image},20\n" for image in faces["20"]))
    files = {"subset": folder / "subset.csv", "calibration": folder / "drawn.csv", "faces": folder / "drawn.zip"}
    drawn = []
    for seed in range(6):
        project(
            evaluation__parts=["survival"],
            evaluation__calibration={"persons": 3, "images_per_person": 2},
            data__source="celeba",
            data__root="faces",
            subset__seed=seed,
        )
        calibration.main(**files)
        table = read_table(files["calibration"])
        assert len(set(table["person"])) == 3 and "20" not in set(table["person"])
        assert all(image in faces[person] for image, person in table.itertuples(index=False))
        counts = table["person"].value_counts().to_dict()
        assert all(count == min(2, len(faces[person])) for person, count in counts.items())
        drawn.append(tuple(table["image"]))
    assert len(set(drawn)) > 1

    project(evaluation__parts=["curves", "quality"], data__source="celeba", data__root="faces")
    calibration.main(**files)
    assert files["calibration"].read_text() == "image,person\n"


def test_a_program_runs_where_a_part_asks_for_it(project, monkeypatch: pytest.MonkeyPatch):
    folder = project(evaluation__parts=["quality"])
    monkeypatch.setattr("sys.argv", ["each"])
    lines = [f"{person}{number},{person}\n" for person in "abcdefgh" for number in range(10)]
    (folder / "subset.csv").write_text("image,person\n" + "".join(lines))

    def asked(parts: str, *more: str) -> bool:
        """Whether the program ran: stages/split.py, told of an output that it does not know."""
        out = folder / "split.csv"
        out.unlink(missing_ok=True)
        options = ["--subset", str(folder / "{}.csv"), "--split", str(out)]
        each.main(parts, "subset", "split", *options, *more)
        return out.exists() and len(read_table(out)) == 80

    assert asked("always") and asked("recognition,quality")
    with pytest.raises(KeyError, match="--out"):
        asked("recognition,survival")

    for parts, source, runs in (("recognition", None, False), ("always", "nothing", False)):
        out, given = folder / "out.npy", folder / "set.npy"
        out.unlink(missing_ok=True)
        if source:
            write_nothing(given)
        each.main(parts, "a/set", "score", "--adversarial", str(folder / "{stem}.npy"), "--out", str(out))
        assert holds_nothing(out) != runs
        # A shard leaves the output to the run without one.
        out.unlink()
        each.main(parts, "set", "score", "--adversarial", str(given), "--out", str(out), "--shard", "1-of-2")
        assert not out.exists()


SIZE = (48, 40)


def record(model: str) -> TrainingRecord:
    """A record of three persons' training."""
    shares = {f"{name}_{kind}": 1 for name in ("train", "validation", "test") for kind in ("size", "accuracy")}
    return TrainingRecord(
        model=model, descriptor="none", descriptor_sha256=None, frozen=None, dataset="folder", classes=["a", "b", "c"],
        images=6, image_height=SIZE[0], image_width=SIZE[1], normalization="MinMax", learning_rate=1e-4,
        optimization="Adam", loss="Cross Entropy", batch_size=16, epochs=1, epoch_used=1, layers=[], device="cpu",
        versions={}, **shares,
    )  # fmt: skip


@pytest.fixture
def shown(project, tmp_path: Path) -> dict[str, Any]:
    """Two models, five faces and a recogniser whose embedding is the aligned face."""
    line = {"file": "mine.onnx", "input_size": [6, 5]}
    # A name that is also a field's.
    root = {"evaluation__root": str(tmp_path), "evaluation__recognisers": {"found": line}}
    root |= {"evaluation__curves__images": 3, "evaluation__curves__strengths": [0.5, 2.0]}
    project(evaluation__parts=ALL, data__image_size=list(SIZE), device="cpu", attack__batch_size=4, **root)
    x, y = (helper.make_tensor_value_info(name, 1, shape) for name, shape in (("x", [1, 3, 6, 5]), ("y", [1, 90])))
    graph = helper.make_graph([helper.make_node("Flatten", ["x"], ["y"])], "flat", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "mine.onnx")
    networks = {}
    for number, name in enumerate("AB"):
        with torch.random.fork_rng():
            torch.manual_seed(number)
            networks[name] = model_a(3, SIZE).eval()
        # Both of one architecture: what counts is that they differ.
        TrainedModel.write(networks[name], record("A"), tmp_path / "models" / name)
    # As a file manager leaves it.
    (tmp_path / "models" / ".DS_Store").touch()
    images = [f"{number}.png" for number in range(5)]
    write_faces(images, lambda name: picture(name, size=SIZE[::-1]), tmp_path / "faces.zip")
    pixels = read_images(tmp_path / "faces.zip", images, SIZE)
    return {"folder": tmp_path, "networks": networks, "images": images, "pixels": pixels}


def of_set(shown: dict[str, Any], name: str, model: str) -> np.ndarray:
    """The faces with noise of a twentieth, as a set's file in the folder."""
    noise = 0.05 * np.random.default_rng(1).normal(size=shown["pixels"].shape)
    rows = np.zeros(5, row_type("P-FGVM", "none", shown["images"], ["a"] if model else [""], SIZE))
    rows["method"], rows["model"], rows["image"] = "P-FGVM", model, shown["images"]
    rows["seen_by"] = "none" if model else ""
    rows["target"], rows["pixels"] = "a" if model else "", np.clip(shown["pixels"] + noise, 0, 1)
    np.save(shown["folder"] / name, rows)
    return rows


def looked_at(shown: dict[str, Any], name: str, model: str = "A") -> Path:
    out = shown["folder"] / "evaluated" / model / name
    folder = shown["folder"]
    evaluate.main(model=folder / "models" / model, faces=folder / "faces.zip", adversarial=folder / name, out=out)
    return out


def of_8_bit(pixels: np.ndarray) -> np.ndarray:
    return np.rint(255 * pixels).astype(np.uint8)


def test_a_set_is_shown_in_every_view_to_all_who_may_look_at_it(shown):
    rows = of_set(shown, "p_fgvm.npy", "A")
    found = np.load(looked_at(shown, "p_fgvm.npy"))
    forms = views(ALL)
    assert found["view"].tolist() == forms * 5
    assert found["image"].tolist() == [image for image in shown["images"] for _ in forms]
    assert set(found["method"].tolist()) == {"P-FGVM"} and set(found["model"].tolist()) == {"A"}
    assert set(found["target"].tolist()) == {"a"} and set(found["seen_by"].tolist()) == {"none"}

    seen = found.reshape(5, len(forms))
    pictures, clean = of_8_bit(rows["pixels"]), of_8_bit(shown["pixels"])
    for number in range(5):
        for place, view in enumerate(forms):
            one = seen[number, place]
            if view == CONTROL:
                continue
            both = [TRANSFORMS[view](part[number]) for part in (pictures, clean)]
            values = torch.from_numpy(np.stack(both)).float() / 255
            aligned = 255 * chips(values[:1].numpy(), (6, 5))[0].transpose(2, 0, 1)
            assert one["embedding_found"] == pytest.approx(aligned.ravel(), abs=1e-3)
            assert one["mssim"] == pytest.approx(mssim(values[:1], values[1:]).item(), abs=1e-12)
            with torch.no_grad():
                judged = {name: "abc"[network(values[:1]).argmax()] for name, network in shown["networks"].items()}
            assert one["predicted_A"] == judged["A"]
            # The other model, detector, metrics and features see the published picture alone.
            assert one["predicted_B"] == (judged["B"] if view == PUBLISHED else "")
            assert bool(one["psnr"]) == bool(one["ssimulacra2"]) == one["features"].any() == (view == PUBLISHED)
        first = seen[number, 0]
        assert first["psnr"] == pytest.approx(peak_signal_noise_ratio(clean[number], pictures[number]))
        assert first["features"] == pytest.approx(features(pictures[number]))


def test_the_control_is_the_clean_face_under_noise_of_the_same_size(shown):
    rows = of_set(shown, "p_fgvm.npy", "A")
    found = np.load(looked_at(shown, "p_fgvm.npy"))
    protected, originals = torch.from_numpy(rows["pixels"].copy()), torch.from_numpy(shown["pixels"])
    noisy = random_control(originals, protected, shown["images"], seed=0).numpy()
    aligned = 255 * chips(of_8_bit(noisy).astype(np.float32) / 255, (6, 5)).transpose(0, 3, 1, 2)
    control = found[found["view"] == CONTROL]
    assert control["embedding_found"] == pytest.approx(aligned.reshape(5, -1), abs=1e-3)
    # Held against the clean picture, and as unlike it as the protected one.
    assert control["mssim"] == pytest.approx(found[found["view"] == PUBLISHED]["mssim"], abs=0.02)
    assert control["mssim"].max() < 0.999


def test_images_that_no_model_had_a_part_in_are_shown_to_all(shown):
    of_set(shown, "clean.npy", "")
    path = looked_at(shown, "clean.npy")
    found = np.load(path)
    pixels = torch.from_numpy(of_8_bit(np.load(shown["folder"] / "clean.npy")["pixels"])).float() / 255
    published = found[found["view"] == PUBLISHED]
    for name, network in shown["networks"].items():
        with torch.no_grad():
            expected = ["abc"[person] for person in network(pixels).argmax(1).tolist()]
        assert published[f"predicted_{name}"].tolist() == expected
        assert all(found[f"predicted_{name}"].tolist())
    assert set(found["seen_by"].tolist()) == set(found["target"].tolist()) == {""}
    assert [(one.model, one.method) for one in read_evaluated(path.parent.parent)] == [("A", "P-FGVM"), ("B", "P-FGVM")]


def test_what_is_seen_hangs_on_no_neighbour(shown):
    rows = of_set(shown, "p_fgvm.npy", "A")
    together = np.load(looked_at(shown, "p_fgvm.npy"))
    np.save(shown["folder"] / "some.npy", rows[[3, 1]])
    some = np.load(looked_at(shown, "some.npy"))
    both = together.reshape(5, -1)[[3, 1]].ravel()
    assert all(np.array_equal(some[name], both[name]) for name in some.dtype.names)


def test_only_what_the_parts_ask_for_is_seen(shown, project):
    of_set(shown, "p_fgvm.npy", "A")
    project(evaluation__parts=["quality"], data__image_size=list(SIZE), device="cpu")
    found = np.load(looked_at(shown, "p_fgvm.npy"))
    assert found["view"].tolist() == [PUBLISHED] * 5
    assert (
        not {"embedding_found", "embedding_dlib", "embedding_sface", "features"}.intersection(found.dtype.names)
        and found["psnr"].all()
        and "lpips" not in found.dtype.names
    )


def test_lpips_is_seen_where_its_weights_are_given(shown, project):
    of_set(shown, "p_fgvm.npy", "A")
    torch.manual_seed(0)
    weights = shown["folder"] / "alexnet.pth"
    torch.save(alexnet().state_dict(), weights)
    settings = {"evaluation__root": str(shown["folder"]), "evaluation__lpips": weights.name}
    project(evaluation__parts=["quality"], data__image_size=list(SIZE), device="cpu", **settings)
    found = np.load(looked_at(shown, "p_fgvm.npy"))
    assert (found["lpips"] > 0).all()
    # Other weights are another measure: finished batches do not count.
    torch.save({name: value + 0.01 for name, value in torch.load(weights).items()}, weights)
    assert (np.load(looked_at(shown, "p_fgvm.npy"))["lpips"] != found["lpips"]).all()


def test_a_gallery_holds_the_persons_recognised_and_the_others(shown):
    folder = shown["folder"]
    # Batches of 16, one of which holds both.
    groups = {"gallery": "a", "calibration": "x"}
    for group, person in groups.items():
        names = [f"{person}{number}.png" for number in range(13)]
        write_faces(names, lambda name: picture(name, size=SIZE[::-1]), folder / f"{group}.zip")
        lines = [f"{name},{person}{number % 3}\n" for number, name in enumerate(names)]
        (folder / f"{group}.csv").write_text("image,person\n" + "".join(lines))
    gallery.main(
        split=folder / "gallery.csv",
        faces=folder / "gallery.zip",
        calibration=folder / "calibration.csv",
        other_faces=folder / "calibration.zip",
        out=folder / "gallery.npy",
    )
    found = np.load(folder / "gallery.npy")
    assert found.dtype.names == ("image", "person", "group", "found", "embedding_found")
    assert found["group"].tolist() == ["gallery"] * 13 + ["calibration"] * 13
    assert found["person"].tolist() == [f"{person}{number % 3}" for person in "ax" for number in range(13)]
    for group in groups:
        part = found[found["group"] == group]
        pixels = read_images(folder / f"{group}.zip", part["image"].tolist(), SIZE)
        aligned = 255 * chips(pixels, (6, 5)).transpose(0, 3, 1, 2)
        assert part["embedding_found"] == pytest.approx(aligned.reshape(13, -1), abs=1e-3)
    # Noise shows no face.
    assert not found["found"].any()


def made_stronger(shown: dict[str, Any], method: str, name: str, model: str = "A") -> np.ndarray:
    out = shown["folder"] / "visibility" / model / name
    visibility_stage.main(
        method=method, faces=shown["folder"] / "faces.zip", adversarial=shown["folder"] / name, out=out
    )
    return np.load(out)


def test_a_perturbation_is_multiplied_by_its_strength(shown, project, tmp_path):
    rows = of_set(shown, "p_fgvm.npy", "A")
    found = made_stronger(shown, "p_fgvm", "p_fgvm.npy")
    # Three of the five images, drawn by the seed, at two strengths.
    drawn = set(seeding.shuffled(shown["images"], 0, "curve images")[:3])
    assert set(found["image"].tolist()) == drawn and len(found) == 6
    assert set(found["method"].tolist()) == {"P-FGVM"} and set(found["seen_by"].tolist()) == {"none"}
    for one in found:
        place = shown["images"].index(one["image"])
        clean = shown["pixels"][place]
        changed = clean + np.float32(one["strength"]) * (rows["pixels"][place] - clean)
        picture = of_8_bit(changed.clip(0, 1))
        aligned = chips((picture / 255).astype(np.float32)[None], (6, 5))[0].transpose(2, 0, 1) * 255
        assert one["embedding_found"] == pytest.approx(aligned.ravel(), abs=1e-3)
        assert one["mssim_face"] == pytest.approx(QUALITY_BY_NAME["mssim_face"](picture, of_8_bit(clean)))
        assert one["flip_face"] == pytest.approx(QUALITY_BY_NAME["flip_face"](picture, of_8_bit(clean)))


def test_a_blur_is_made_wider_by_its_strength(shown):
    of_set(shown, "gaussian_blur.npy", "")
    found = made_stronger(shown, "gaussian_blur", "gaussian_blur.npy", "any")
    for one in found:
        clean = torch.from_numpy(shown["pixels"][[shown["images"].index(one["image"])]])
        [blurred] = gaussian_blur(clean, sigma=0.03 * one["strength"]).numpy()
        expected = QUALITY_BY_NAME["mssim_face"](of_8_bit(blurred), of_8_bit(clean[0].numpy()))
        assert one["mssim_face"] == pytest.approx(expected)
    assert len({*found["mssim_face"].tolist()}) == 6


def test_a_recogniser_that_gives_every_face_the_same_is_refused_when_it_is_centred():
    alike = Comparison("flat", "Flat", centred=True)
    faces = Faces(np.array(["a1", "a2", "b1"]), np.array(["a", "a", "b"]), np.ones((3, 4), np.float32))
    with pytest.raises(InputError, match=r"^recogniser flat: 3 of 3 embeddings are not finite, or zero"):
        Enrolment.of(alike, faces, faces)

"""Evaluated sets whose rates can be counted by hand."""

from collections.abc import Sequence

import numpy as np

from pfgvm.evaluation.findings.enrolment import Enrolment
from pfgvm.evaluation.findings.sets import EvaluatedSet
from pfgvm.evaluation.findings.verification import Faces, Threshold
from pfgvm.evaluation.quality.quality_metrics import QUALITY, VISIBILITY
from pfgvm.evaluation.recognition.embedding_distance import Comparison

NOTE = "needs 3,000 pairs of other persons; there are 20"
ROW = np.dtype(
    [
        ("image", "U4"),
        ("target", "U4"),
        ("view", "U20"),
        *[(f"predicted_{model}", "U4") for model in "AB"],
        ("found", bool),
        ("aligned", bool),
        *[(name, float) for name in ("mssim", *(metric.name for metric in (*QUALITY, *VISIBILITY)))],
        ("features", np.float32, 2),
        # Embeddings: on a line, where distances are plain numbers, and in three dimensions.
        ("embedding_near", np.float32, 1),
        ("embedding_angle", np.float32, 3),
    ]
)


def person_of(image: str) -> str:
    """The identity of `image`: images are named after their identities, a1, a2, b1."""
    return image[0]


class Persons(dict):
    """The identity of every image."""

    def __missing__(self, image: str) -> str:
        return person_of(image)


def rows(view: str, images: str, **columns: Sequence | np.ndarray) -> np.ndarray:
    """One row for each of `images`, separated by blanks, in one view; `near` and `angle` are embeddings."""
    made = np.zeros(len(images.split()), ROW)
    made["view"], made["image"] = view, images.split()
    # A zero vector has no angle.
    made["embedding_angle"] = 1
    for name, values in columns.items():
        field = name if name in ROW.names else f"embedding_{name}"
        made[field] = np.reshape(values, made[field].shape)
    return made


def evaluated(method: str, *parts: np.ndarray, model: str = "A", seen_by: str = "") -> EvaluatedSet:
    """The set of `method` whose rows are `parts`, from `rows`."""
    return EvaluatedSet(model, method, seen_by, np.concatenate(parts))


def faces(positions: dict[str, float]) -> Faces:
    """Images on a line."""
    places = np.array(list(positions.values()), np.float32)[:, None]
    return Faces(np.array(list(positions)), np.array([person_of(image) for image in positions]), places)


# Three images each of a and b, one unit apart; two other identities farther away.
GALLERY = faces({"a1": 0, "a2": 1, "a3": 2, "b1": 10, "b2": 11, "b3": 12})
OTHERS = faces({"o1": 30, "r1": 100})
NEAR = Comparison("near", "Near", distance="euclidean")
NO_THRESHOLD = Threshold(0.01, float("nan"), 20, NOTE)


def enrolment(*thresholds: Threshold) -> Enrolment:
    """GALLERY and OTHERS, enrolled with these thresholds."""
    return Enrolment(NEAR, GALLERY, OTHERS, np.zeros(1), thresholds)


# Two images match if they are at most one unit apart.
KNOWN = enrolment(Threshold(0.01, -1.0, 3000, ""), Threshold(0.001, float("nan"), 20, NOTE))
UNKNOWN = enrolment(NO_THRESHOLD)
ATTACKED = "a1 a2 b1 b2"
CLEAN = evaluated(
    "Clean",
    # b3 is in the clean set alone.
    rows("as is", f"{ATTACKED} b3", near=[0, 1, 10, 11, 12], found=[1, 1, 1, 0, 0]),
    rows("noise", f"{ATTACKED} b3", near=[0, 1, 10, 11, 12]),
)
# Matches with the other images of the same identity: a1 with a2; a2 with a3; b1 and b2 with none. In the noise view: a1
# with a2; a2 with both; b1 with b2; b2 with both.
PROTECTED = evaluated(
    "P-FGVM",
    rows("as is", ATTACKED, near=[0.5, 1.4, 25, 20], found=[1, 0, 0, 0], aligned=[1, 1, 1, 0]),
    rows("noise", ATTACKED, near=[0.2, 1, 10, 11]),
    seen_by="near",
)

EVERYONE = " ".join(f"{person}{number}" for person in "abc" for number in range(4))


def axes(images: str, turn: int = 0) -> np.ndarray:
    """Embeddings along each identity's axis, or `turn` identities further, slightly different for each image."""
    places = np.eye(3)[[("abc".index(person_of(image)) + turn) % 3 for image in images.split()]]
    apart = np.array([[int(image[1]), -int(image[1]), 1] for image in images.split()])
    return places + 0.01 * apart

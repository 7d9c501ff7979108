"""What attackers reach who know that images are protected."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pfgvm import seeding
from pfgvm.errors import InputError
from pfgvm.evaluation.attackers import arrival, growing_gallery, retrained
from pfgvm.evaluation.detectability import detector_auc
from pfgvm.evaluation.findings.enrolment import Enrolment
from pfgvm.evaluation.findings.recognition_rates import over_persons
from pfgvm.evaluation.findings.sets import EvaluatedSet, clean_set
from pfgvm.evaluation.findings.verification import Faces
from pfgvm.methods import CLEAN

ADAPTIVE_COLUMNS = [
    "model", "method", "attacker", "share", "accuracy_protected", "low", "high", "accuracy_clean",
    "recogniser", "images", "auc", "auc_low", "auc_high", "note",
]  # fmt: skip
# Of the images that a recogniser is retrained on, so many are protected.
SHARES = (1.0, 0.25)


def adaptive(
    sets: Sequence[EvaluatedSet],
    enrolments: Sequence[Enrolment],
    purifiers: Sequence[str],
    *,
    published: str,
    seed: int,
) -> pd.DataFrame:
    """One row a set, attacker and recogniser, in ADAPTIVE_COLUMNS; rates in [0, 1], 95 % intervals over persons.

    purifiers: the views of purified images. published: that of the published one.

    Attackers: `retrained`, with the `share` of protected images that the recogniser learns from; `growing gallery`,
    which begins with half of each person's clean images and all of the other persons', and is shown the attacked ones
    among the other half; the purifiers, after which the set's own model is asked; and `detector`, of protected
    images, with its `auc`. `accuracy_clean` is what the same attacker reaches on clean images. Where an attacker
    can do nothing, `note` says why.
    """
    rows: list[dict[str, Any]] = []
    for one in sets:
        of_set = {"model": one.model, "method": one.method}
        clean, images = clean_set(sets, one), one.view(published)["image"]
        shown, unprotected = one.view(published), clean.view(published, images)
        for known in enrolments:
            protected, original = known.probes(shown), known.probes(unprotected)
            found = [_retrained(protected, original, share, seed) for share in SHARES]
            found.append(_growing(known, protected, original, seed))
            rows += [of_set | {"recogniser": known.recogniser.name} | row for row in found]
        persons = enrolments[0].probes(shown).persons
        for purifier in purifiers:
            mine, theirs = (part.view(purifier, images)[f"predicted_{one.model}"] == persons for part in (one, clean))
            rows.append(of_set | {"attacker": purifier} | _accuracies(mine, theirs, persons))
        if one.method != CLEAN:
            rows.append(of_set | {"attacker": "detector"} | _detector(shown, unprotected, persons))
    return pd.DataFrame(rows, columns=ADAPTIVE_COLUMNS)


def _accuracies(protected: np.ndarray, clean: np.ndarray, persons: np.ndarray) -> dict[str, Any]:
    found = dict(zip(("accuracy_protected", "low", "high"), over_persons(protected, persons), strict=True))
    judged = np.count_nonzero(~np.isnan(protected))
    return found | {"accuracy_clean": over_persons(clean, persons)[0], "images": judged}


def _retrained(protected: Faces, clean: Faces, share: float, seed: int) -> dict[str, Any]:
    row = {"attacker": "retrained", "share": share}
    persons, images = protected.persons.tolist(), protected.images.tolist()
    try:
        right, right_clean = retrained(protected.embeddings, clean.embeddings, persons, images, share=share, seed=seed)
    except InputError as error:
        return row | {"note": str(error)}
    if np.isnan(right).all():
        return row | {"note": "fewer than two persons have two attacked images each; attack more"}
    return row | _accuracies(right, right_clean, protected.persons)


def _growing(known: Enrolment, protected: Faces, clean: Faces, seed: int) -> dict[str, Any]:
    row = {"attacker": "growing gallery"}
    level = known.thresholds[0]
    if math.isnan(level.value):
        return row | {"note": level.note}
    gallery = known.gallery
    enrolled = {
        image
        for person in np.unique(gallery.persons).tolist()
        for image in _half(gallery.images[gallery.persons == person].tolist(), person, seed)
    }
    coming = [image for image in protected.images.tolist() if image not in enrolled]
    if not coming:
        return row | {"note": "every attacked image is in the gallery; attack more"}
    start = gallery.of(sorted(enrolled)) + known.others
    right, right_clean = (
        growing_gallery(
            start.embeddings,
            start.persons.tolist(),
            shown.of(coming).embeddings,
            shown.of(coming).persons.tolist(),
            similarities=known.recogniser.similarities,
            threshold=level.value,
            order=arrival(coming, seed),
        )
        for shown in (protected, clean)
    )
    return row | _accuracies(right, right_clean, protected.of(coming).persons)


def _half(images: list[str], person: str, seed: int) -> list[str]:
    return seeding.shuffled(images, seed, "enrolled", person)[: len(images) // 2]


def _detector(shown: np.ndarray, clean: np.ndarray, persons: np.ndarray) -> dict[str, Any]:
    row = {"images": len(persons)}
    try:
        found = detector_auc(shown["features"], clean["features"], persons.tolist(), shown["image"].tolist())
    except InputError as error:
        return row | {"note": str(error)}
    return row | dict(zip(("auc", "auc_low", "auc_high"), found, strict=True))

"""Evaluation of adaptive attackers, who know that images are protected."""

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
from pfgvm.evaluation.findings.verification import Faces, ranks
from pfgvm.methods import CLEAN

ADAPTIVE_COLUMNS = [
    "model", "method", "attacker", "share", "accuracy_protected", "low", "high", "accuracy_clean",
    "recogniser", "images", "auc", "auc_low", "auc_high", "note",
]  # fmt: skip
# Shares of protected images in the training set of a retrained recogniser.
SHARES = (1.0, 0.25)


def adaptive(
    sets: Sequence[EvaluatedSet],
    enrolments: Sequence[Enrolment],
    purifiers: Sequence[str],
    *,
    published: str,
    unwarped: str,
    seed: int,
) -> pd.DataFrame:
    """One row per set, attacker and recogniser, in ADAPTIVE_COLUMNS; rates in [0, 1], 95 % intervals over identities.

    purifiers: views of purified images. published: view of published images. unwarped: view without the mean
    displacement, for sets that have it.

    Attackers: `retrained`, with the `share` of protected training images; `growing gallery`, which starts with half of
    each identity's clean images and all images of other identities, with the attacked images of the other half as
    probes; the purifiers, followed by the set's model; `unwarped`, who removes the method's mean displacement and names
    the identity of rank 1; and `detector`, a detector of protected images, with its `auc`. `accuracy_clean` is the
    accuracy of the same attacker on clean images. `note` states why an attacker is not applicable.
    """
    rows: list[dict[str, Any]] = []
    for image_set in sets:
        of_set = {"model": image_set.model, "method": image_set.method}
        clean, images = clean_set(sets, image_set), image_set.view(published)["image"]
        published_rows, clean_rows = image_set.view(published), clean.view(published, images)
        for enrolment in enrolments:
            protected, original = enrolment.probes(published_rows), enrolment.probes(clean_rows)
            results = [_retrained(protected, original, share, seed) for share in SHARES]
            results.append(_growing(enrolment, protected, original, seed))
            if unwarped in image_set.rows["view"]:
                results.append(_unwarped(enrolment, enrolment.probes(image_set.view(unwarped, images)), original))
            rows += [of_set | {"recogniser": enrolment.recogniser.name} | row for row in results]
        persons = enrolments[0].probes(published_rows).persons
        for purifier in purifiers:
            protected_hits, clean_hits = (
                evaluated.view(purifier, images)[f"predicted_{image_set.model}"] == persons
                for evaluated in (image_set, clean)
            )
            rows.append(of_set | {"attacker": purifier} | _accuracies(protected_hits, clean_hits, persons))
        if image_set.method != CLEAN:
            rows.append(of_set | {"attacker": "detector"} | _detector(published_rows, clean_rows, persons))
    return pd.DataFrame(rows, columns=ADAPTIVE_COLUMNS)


def _accuracies(protected: np.ndarray, clean: np.ndarray, persons: np.ndarray) -> dict[str, Any]:
    accuracies = dict(zip(("accuracy_protected", "low", "high"), over_persons(protected, persons), strict=True))
    count = np.count_nonzero(~np.isnan(protected))
    return accuracies | {"accuracy_clean": over_persons(clean, persons)[0], "images": count}


def _retrained(protected: Faces, clean: Faces, share: float, seed: int) -> dict[str, Any]:
    row = {"attacker": "retrained", "share": share}
    persons, images = protected.persons.tolist(), protected.images.tolist()
    try:
        hits, hits_clean = retrained(protected.embeddings, clean.embeddings, persons, images, share=share, seed=seed)
    except InputError as error:
        return row | {"note": str(error)}
    if np.isnan(hits).all():
        return row | {"note": "fewer than two persons have two attacked images each; attack more"}
    return row | _accuracies(hits, hits_clean, protected.persons)


def _unwarped(enrolment: Enrolment, unwarped: Faces, clean: Faces) -> dict[str, Any]:
    gallery = enrolment.gallery + enrolment.others
    hits, hits_clean = (ranks(enrolment.recogniser, probes, gallery) == 1 for probes in (unwarped, clean))
    return {"attacker": "unwarped"} | _accuracies(hits, hits_clean, clean.persons)


def _growing(enrolment: Enrolment, protected: Faces, clean: Faces, seed: int) -> dict[str, Any]:
    row = {"attacker": "growing gallery"}
    threshold = enrolment.thresholds[0]
    if math.isnan(threshold.value):
        return row | {"note": threshold.note}
    gallery = enrolment.gallery
    enrolled = {
        image
        for person in np.unique(gallery.persons).tolist()
        for image in _half(gallery.images[gallery.persons == person].tolist(), person, seed)
    }
    queue = [image for image in protected.images.tolist() if image not in enrolled]
    if not queue:
        return row | {"note": "every attacked image is in the gallery; attack more"}
    start = gallery.of(sorted(enrolled)) + enrolment.others
    hits, hits_clean = (
        growing_gallery(
            start.embeddings,
            start.persons.tolist(),
            probes.of(queue).embeddings,
            probes.of(queue).persons.tolist(),
            similarities=enrolment.recogniser.similarities,
            threshold=threshold.value,
            order=arrival(queue, seed),
        )
        for probes in (protected, clean)
    )
    return row | _accuracies(hits, hits_clean, protected.of(queue).persons)


def _half(images: list[str], person: str, seed: int) -> list[str]:
    return seeding.shuffled(images, seed, "enrolled", person)[: len(images) // 2]


def _detector(protected: np.ndarray, clean: np.ndarray, persons: np.ndarray) -> dict[str, Any]:
    row = {"images": len(persons)}
    try:
        aucs = detector_auc(protected["features"], clean["features"], persons.tolist(), protected["image"].tolist())
    except InputError as error:
        return row | {"note": str(error)}
    return row | dict(zip(("auc", "auc_low", "auc_high"), aucs, strict=True))

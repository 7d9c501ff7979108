"""Adaptive attackers on embeddings: a retrained classifier and a growing gallery.

The functions return one result per image; means and intervals are in `pfgvm.evaluation.statistics`.
"""

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from pfgvm import seeding
from pfgvm.errors import InputError

_MAX_FOLDS = 5


def retrained(
    protected: np.ndarray, clean: np.ndarray, persons: Sequence[str], images: Sequence[str], *, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Results of a classifier trained on protected images with their true labels (Radiya-Dixit et al., 2022).

    Cross-validation within each identity, with as many folds as the smallest number of images of an identity, at most
    five. For each fold, a logistic regression on embeddings (normalised to length 1, then standardised) is trained on
    the other folds. The `share` of each identity's training images is protected (rounded, at least one); the rest is
    clean. The fold is classified once protected and once clean. Folds and protected images are drawn by (seed, name).

    protected, clean: embeddings (n, d) of the same images. persons: n identities. images: n distinct image names.
    share: in (0, 1].
    Returns two arrays (n,) for the protected and the clean images, in the order of `images`: 1 for a correct
    classification, else 0. NaN for identities with one image, which leave no training image, and for all images if
    fewer than two other identities remain. Raises InputError for another share and for a repeated image name.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer, StandardScaler

    if not 0 < share <= 1:
        raise InputError(f"share: {share}; give a number above 0, at most 1")
    if len(set(images)) < len(images):
        raise InputError("images: a name occurs twice; give each image a unique name")
    recognised = np.full((2, len(images)), np.nan)
    images_of = _of_several_images(persons, images)
    if len(images_of) < 2:
        return recognised[0], recognised[1]
    fold_of = _folds(images_of, seed)
    # In a fixed order: the last digits of the regression depend on it.
    order = np.array([place for place in np.argsort(images) if images[place] in fold_of])
    names, labels = np.array(images)[order], np.array(persons)[order]
    x_protected, x_clean = np.asarray(protected, float)[order], np.asarray(clean, float)[order]
    folds = np.array([fold_of[name] for name in names])

    for fold in range(folds.max() + 1):
        training, held_out = folds != fold, folds == fold
        is_protected = np.isin(names, _protected_images(images_of, set(names[training]), share=share, seed=seed))
        classifier = make_pipeline(Normalizer(), StandardScaler(), LogisticRegression(max_iter=1000))
        with warnings.catch_warnings():
            # With one training image per identity, scikit-learn warns that the labels look continuous.
            warnings.filterwarnings("ignore", message="The number of unique classes")
            classifier.fit(np.where(is_protected[:, None], x_protected, x_clean)[training], labels[training])
        for row, embeddings in enumerate((x_protected, x_clean)):
            recognised[row, order[held_out]] = classifier.predict(embeddings[held_out]) == labels[held_out]
    return recognised[0], recognised[1]


def _of_several_images(persons: Sequence[str], images: Sequence[str]) -> dict[str, list[str]]:
    images_of = defaultdict(list)
    for person, image in zip(persons, images, strict=True):
        images_of[person].append(image)
    return {person: names for person, names in images_of.items() if len(names) > 1}


def _folds(images_of: dict[str, list[str]], seed: int) -> dict[str, int]:
    count = min(_MAX_FOLDS, *map(len, images_of.values()))
    return {
        image: place % count
        for names in images_of.values()
        for place, image in enumerate(seeding.shuffled(names, seed, "folds"))
    }


def _protected_images(images_of: dict[str, list[str]], training: set[str], *, share: float, seed: int) -> list[str]:
    """Protected images among `training`: the share of each identity's, rounded, at least one."""
    protected = []
    for names in images_of.values():
        candidates = seeding.shuffled(training & set(names), seed, "retrained")
        protected += candidates[: max(1, round(share * len(candidates)))]
    return protected


def arrival(images: Sequence[str], seed: int) -> np.ndarray:
    """Random order of the images as indices (n,), drawn by (seed, image name). The names are distinct."""
    number = {image: place for place, image in enumerate(images)}
    return np.array([number[image] for image in seeding.shuffled(images, seed, "arrival")], int)


def growing_gallery(
    gallery: np.ndarray,
    gallery_persons: Sequence[str],
    probes: np.ndarray,
    probe_persons: Sequence[str],
    *,
    similarities: Callable[[np.ndarray, np.ndarray], np.ndarray],
    threshold: float,
    order: Sequence[int] | np.ndarray,
) -> np.ndarray:
    """Results of identification by a gallery that adds recognised probes (DynTracker, 2026).

    The probes are processed one by one. The predicted identity is that of the most similar gallery image (of equal ones
    the first, original images before probes). If the similarity is at least `threshold`, the probe is added to the
    gallery under the predicted identity, right or wrong.

    gallery, probes: embeddings (m, d) and (n, d). gallery_persons, probe_persons: their m and n identities.
    similarities: maps embeddings (a, d) and (b, d) to (a, b), larger for more similar (`Recogniser.similarities`).
    threshold: a similarity; infinite for a fixed gallery. order: indices of the probes in processing order (`arrival`).
    Returns whether each prediction is correct, bool (n,), in the order of `probes`.
    Raises InputError if the gallery or the probes are empty, or if `order` is no permutation of the probes.
    """
    if not (len(gallery) and len(probes)):
        raise InputError(f"gallery, probes: {len(gallery)} and {len(probes)} images; give at least one of each")
    if sorted(order) != list(range(len(probes))):
        raise InputError(f"order: is not a permutation of the {len(probes)} probes; give each index from 0 once")
    order = np.asarray(order, int)
    queue = np.asarray(probes)[order]
    # Nearest gallery image of each probe so far; an added probe can only be nearer.
    to_gallery = similarities(queue, gallery)
    nearest = to_gallery.argmax(axis=1)
    similarity = to_gallery[np.arange(len(queue)), nearest]
    for place in range(len(queue) - 1):
        if similarity[place] >= threshold:
            later = slice(place + 1, None)
            to_probe = similarities(queue[later], queue[[place]])[:, 0]
            nearest[later] = np.where(to_probe > similarity[later], nearest[place], nearest[later])
            similarity[later] = np.maximum(to_probe, similarity[later])
    recognised = np.empty(len(queue), bool)
    recognised[order] = np.array(gallery_persons)[nearest] == np.array(probe_persons)[order]
    return recognised

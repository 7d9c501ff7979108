"""Attackers who know of the protection, from embeddings alone: one who retrains, and one who adds to his gallery.

Whether an image was recognised is returned for each image; means and intervals are `pfgvm.evaluation.statistics`'.
"""

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from pfgvm import seeding
from pfgvm.errors import InputError

_MOST_FOLDS = 5


def retrained(
    protected: np.ndarray, clean: np.ndarray, persons: Sequence[str], images: Sequence[str], *, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Whom a classifier knows that was trained on protected images with their true names (Radiya-Dixit et al., 2022).

    The images of each person are parted into folds, as many as the fewest images of a person and at most five. For
    each fold a logistic regression on embeddings (of length 1, then standardised) learns all others, of which the
    `share` of each person's is protected, rounded but at least one image, and the rest clean. It judges the fold, once
    protected and once clean. Folds and protected images are drawn by (seed, image name).

    protected, clean: embeddings, (n, d), of the same images. persons, images: their n names, each image's its own.
    share: in (0, 1].
    Returns for each protected and each clean image 1 where it was recognised, else 0: two (n,), in the order of
    `images`. Persons with one image take no part, since nothing would be left to learn from: NaN; all, where fewer than
    two others are left. Raises InputError for another share and for an image that is named twice.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer, StandardScaler

    if not 0 < share <= 1:
        raise InputError(f"share: {share}; give a number above 0, at most 1")
    if len(set(images)) < len(images):
        raise InputError("images: a name occurs twice; give each image once, under a name of its own")
    recognised = np.full((2, len(images)), np.nan)
    images_of = _of_several_images(persons, images)
    if len(images_of) < 2:
        return recognised[0], recognised[1]
    fold_of = _folds(images_of, seed)
    # In one order whatever the caller's, since the regression's sums depend on it in their last digits.
    order = np.array([place for place in np.argsort(images) if images[place] in fold_of])
    names, truth = np.array(images)[order], np.array(persons)[order]
    x_protected, x_clean = np.asarray(protected, float)[order], np.asarray(clean, float)[order]
    folds = np.array([fold_of[name] for name in names])

    for fold in range(folds.max() + 1):
        training, held_out = folds != fold, folds == fold
        chosen = np.isin(names, _chosen(images_of, set(names[training]), share=share, seed=seed))
        classifier = make_pipeline(Normalizer(), StandardScaler(), LogisticRegression(max_iter=1000))
        with warnings.catch_warnings():
            # With one image of each person to learn from, scikit-learn takes the names for numbers.
            warnings.filterwarnings("ignore", message="The number of unique classes")
            classifier.fit(np.where(chosen[:, None], x_protected, x_clean)[training], truth[training])
        for row, embeddings in enumerate((x_protected, x_clean)):
            recognised[row, order[held_out]] = classifier.predict(embeddings[held_out]) == truth[held_out]
    return recognised[0], recognised[1]


def _of_several_images(persons: Sequence[str], images: Sequence[str]) -> dict[str, list[str]]:
    images_of = defaultdict(list)
    for person, image in zip(persons, images, strict=True):
        images_of[person].append(image)
    return {person: own for person, own in images_of.items() if len(own) > 1}


def _folds(images_of: dict[str, list[str]], seed: int) -> dict[str, int]:
    count = min(_MOST_FOLDS, *map(len, images_of.values()))
    return {
        image: place % count
        for own in images_of.values()
        for place, image in enumerate(seeding.shuffled(own, seed, "folds"))
    }


def _chosen(images_of: dict[str, list[str]], training: set[str], *, share: float, seed: int) -> list[str]:
    """The images of `training` that are protected: of each person the share, rounded, and at least one."""
    chosen = []
    for own in images_of.values():
        drawn = seeding.shuffled(training & set(own), seed, "retrained")
        chosen += drawn[: max(1, round(share * len(drawn)))]
    return chosen


def arrival(images: Sequence[str], seed: int) -> np.ndarray:
    """In which order the images come, as their numbers, (n,): drawn by (seed, image name). The names are distinct."""
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
    """Whom a gallery knows that grows by what it recognises (DynTracker, 2026).

    The probes come one by one. The answer is the person of the image in the gallery that is most similar (of equals
    the first, and the gallery's own before probes); where the similarity is at least `threshold`, the probe joins the
    gallery under the answer, right or wrong.

    gallery, probes: embeddings, (m, d) and (n, d). gallery_persons, probe_persons: their m and n names.
    similarities: of embeddings (a, d) and (b, d) to (a, b), larger where more alike (`Recogniser.similarities`).
    threshold: a similarity; infinite for a gallery that stays as it is. order: the probes' numbers as they come
    (`arrival`).
    Returns whether each probe's answer was right, (n,) of bool, in the order of `probes`.
    Raises InputError where there is nothing in the gallery or no probe, or `order` is not an order of the probes.
    """
    if not (len(gallery) and len(probes)):
        raise InputError(f"gallery, probes: of {len(gallery)} and {len(probes)} images; give at least one of each")
    if sorted(order) != list(range(len(probes))):
        raise InputError(f"order: not each of the {len(probes)} probes once; give their numbers from 0 in some order")
    order = np.asarray(order, int)
    coming = np.asarray(probes)[order]
    # What the gallery says of each probe so far: which of its images is nearest. One that joins can only come nearer.
    found = similarities(coming, gallery)
    nearest = found.argmax(axis=1)
    similarity = found[np.arange(len(coming)), nearest]
    for place in range(len(coming) - 1):
        if similarity[place] >= threshold:
            later = slice(place + 1, None)
            to_probe = similarities(coming[later], coming[[place]])[:, 0]
            nearest[later] = np.where(to_probe > similarity[later], nearest[place], nearest[later])
            similarity[later] = np.maximum(to_probe, similarity[later])
    recognised = np.empty(len(coming), bool)
    recognised[order] = np.array(gallery_persons)[nearest] == np.array(probe_persons)[order]
    return recognised

"""Verification and identification: does a recogniser still find the person on an image?

An image takes part as a probe; what it is held against are other images, never its own original.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pfgvm.evaluation.recognition.embedding_distance import Comparison

# So many false matches must at least be expected among the pairs behind a threshold: at 30 errors a rate is within 30 %
# of the true one, at 90 % confidence ("rule of 30", Doddington et al. 2000).
EXPECTED_FALSE_MATCHES = 30


@dataclass(frozen=True)
class Faces:
    """Images as a recogniser sees them: their names and persons, n each, and embeddings, (n, d)."""

    images: np.ndarray
    persons: np.ndarray
    embeddings: np.ndarray

    def of(self, images: Sequence[str]) -> "Faces":
        """The same of `images` alone, in their order. Raises KeyError for an image that is not there."""
        place = {image: number for number, image in enumerate(self.images.tolist())}
        chosen = [place[image] for image in images]
        return Faces(self.images[chosen], self.persons[chosen], self.embeddings[chosen])

    def __add__(self, others: "Faces") -> "Faces":
        parts = zip(vars(self).values(), vars(others).values(), strict=True)
        return Faces(*map(np.concatenate, parts))


@dataclass(frozen=True)
class Threshold:
    """The similarity from which on two images count as one person, at a false-match rate `fmr`.

    value: NaN where the pairs do not suffice, and `note` then says why. pairs: of two persons each.
    """

    fmr: float
    value: float
    pairs: int
    note: str


def impostor_pairs(faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of images of two persons, as two arrays of places in `faces`."""
    first, second = np.triu_indices(len(faces.images), 1)
    different = faces.persons[first] != faces.persons[second]
    return first[different], second[different]


def threshold(similarities: np.ndarray, fmr: float) -> Threshold:
    """The lowest threshold at which no more than the share `fmr`, in (0, 1), of impostor pairs match.

    similarities: of the pairs, (n,).
    """
    count = len(similarities)
    # Rounded: in binary 0.01 times 3,000 need not be 30.
    allowed = round(count * fmr, 9)
    if allowed < EXPECTED_FALSE_MATCHES:
        note = (
            f"needs {math.ceil(round(EXPECTED_FALSE_MATCHES / fmr, 9)):,} pairs of other persons; there are {count:,}"
        )
        return Threshold(fmr, math.nan, count, note)
    # Just above the most similar pair that may not match.
    return Threshold(fmr, float(np.nextafter(np.sort(similarities)[::-1][int(allowed)], math.inf)), count, "")


def match_rates(compared: Comparison, probes: Faces, gallery: Faces, value: float) -> np.ndarray:
    """For each probe the share of its person's other images in `gallery` that match it at the threshold `value`: (n,).

    An image of the same name in the gallery is left out; NaN without any other.
    """
    rates = np.full(len(probes.images), math.nan)
    for person in np.unique(probes.persons):
        mine, theirs = probes.persons == person, gallery.persons == person
        genuine = probes.images[mine][:, None] != gallery.images[theirs][None, :]
        matched = compared.similarities(probes.embeddings[mine], gallery.embeddings[theirs]) >= value
        counts = genuine.sum(axis=1)
        nothing = np.full(len(counts), math.nan)
        rates[mine] = np.divide((matched & genuine).sum(axis=1), counts, out=nothing, where=counts > 0)
    return rates


def ranks(compared: Comparison, probes: Faces, gallery: Faces) -> np.ndarray:
    """At which place, from 1, each probe's person comes among the persons of `gallery`, each at its best image: (n,).

    An image of the same name is left out. Raises ValueError for a probe whose person the gallery lacks.
    """
    similarities = compared.similarities(probes.embeddings, gallery.embeddings)
    similarities[probes.images[:, None] == gallery.images[None, :]] = -math.inf
    persons = np.unique(gallery.persons)
    if not np.isin(probes.persons, persons).all():
        raise ValueError("every probe's person must be in the gallery")
    best = np.stack([similarities[:, gallery.persons == person].max(axis=1) for person in persons], axis=1)
    own = best[np.arange(len(probes.images)), np.searchsorted(persons, probes.persons)]
    return 1 + (best > own[:, None]).sum(axis=1)

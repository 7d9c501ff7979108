"""Verification and identification rates.

Probes are compared with other images, never with their own original.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pfgvm.evaluation.recognition.embedding_distance import Comparison

# Minimum expected number of false matches for a threshold. With 30 errors, a rate is within 30 % of the true rate at
# 90 % confidence ("rule of 30", Doddington et al. 2000).
EXPECTED_FALSE_MATCHES = 30


@dataclass(frozen=True)
class Faces:
    """Embeddings of images: n image names, n identities, and embeddings (n, d)."""

    images: np.ndarray
    persons: np.ndarray
    embeddings: np.ndarray

    def of(self, images: Sequence[str]) -> "Faces":
        """Subset of `images`, in their order. Raises KeyError for a missing image."""
        place = {image: number for number, image in enumerate(self.images.tolist())}
        index = [place[image] for image in images]
        return Faces(self.images[index], self.persons[index], self.embeddings[index])

    def __add__(self, others: "Faces") -> "Faces":
        parts = zip(vars(self).values(), vars(others).values(), strict=True)
        return Faces(*map(np.concatenate, parts))


@dataclass(frozen=True)
class Threshold:
    """Similarity from which two images match, at a false-match rate `fmr`.

    value: NaN for too few pairs, with the reason in `note`. pairs: number of impostor pairs.
    """

    fmr: float
    value: float
    pairs: int
    note: str


def impostor_pairs(faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of images of different identities, as two arrays of indices into `faces`."""
    first, second = np.triu_indices(len(faces.images), 1)
    different = faces.persons[first] != faces.persons[second]
    return first[different], second[different]


def threshold(similarities: np.ndarray, fmr: float) -> Threshold:
    """Lowest threshold at which at most the share `fmr`, in (0, 1), of impostor pairs match.

    similarities: of the pairs, (n,).
    """
    count = len(similarities)
    # Rounded: in binary 0.01 * 3,000 may differ from 30.
    allowed = round(count * fmr, 9)
    if allowed < EXPECTED_FALSE_MATCHES:
        note = (
            f"needs {math.ceil(round(EXPECTED_FALSE_MATCHES / fmr, 9)):,} pairs of other persons; there are {count:,}"
        )
        return Threshold(fmr, math.nan, count, note)
    # Just above the most similar pair that must not match.
    return Threshold(fmr, float(np.nextafter(np.sort(similarities)[::-1][int(allowed)], math.inf)), count, "")


def match_rates(compared: Comparison, probes: Faces, gallery: Faces, value: float) -> np.ndarray:
    """Share of each probe's genuine images in `gallery` that match at the threshold `value`: (n,).

    Gallery images of the same name are excluded; NaN if no other image remains.
    """
    rates = np.full(len(probes.images), math.nan)
    for person in np.unique(probes.persons):
        is_probe, is_gallery = probes.persons == person, gallery.persons == person
        genuine = probes.images[is_probe][:, None] != gallery.images[is_gallery][None, :]
        matched = compared.similarities(probes.embeddings[is_probe], gallery.embeddings[is_gallery]) >= value
        counts = genuine.sum(axis=1)
        undefined = np.full(len(counts), math.nan)
        rates[is_probe] = np.divide((matched & genuine).sum(axis=1), counts, out=undefined, where=counts > 0)
    return rates


def ranks(compared: Comparison, probes: Faces, gallery: Faces) -> np.ndarray:
    """Rank, from 1, of each probe's identity among those of `gallery`, each at its most similar image: (n,).

    Gallery images of the same name are excluded. Raises ValueError if a probe's identity is not in the gallery.
    """
    similarities = compared.similarities(probes.embeddings, gallery.embeddings)
    similarities[probes.images[:, None] == gallery.images[None, :]] = -math.inf
    persons = np.unique(gallery.persons)
    if not np.isin(probes.persons, persons).all():
        raise ValueError("the gallery must contain the identity of every probe")
    best = np.stack([similarities[:, gallery.persons == person].max(axis=1) for person in persons], axis=1)
    genuine = best[np.arange(len(probes.images)), np.searchsorted(persons, probes.persons)]
    return 1 + (best > genuine[:, None]).sum(axis=1)

"""The stratified split into training, validation and test images (Section 4, Table 4)."""

from collections.abc import Mapping, Sequence
from itertools import cycle

from pfgvm import keyed
from pfgvm.errors import InputError


def apportion(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers that sum to `total`, nearest to `shares` (which sum to 1) by largest remainder.

    Ties go to the share named first: 900 at 0.70/0.15/0.15 gives 630/135/135.
    """
    # Rounding first: in binary 0.29 * 100 falls short of 29.
    exact = {name: round(total * share, 9) for name, share in shares.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(shares, key=lambda name: round(counts[name] - exact[name], 9))
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def stratified_split(images: Mapping[str, Sequence[str]], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """The split of each image: image name -> key of `shares`.

    images: person -> image names, equally many for every person. Over all images the splits have the sizes of
    `apportion`; the counts of two persons in one split differ by at most one. Drawn by (seed, name).
    Raises InputError when a split would leave some person without an image.
    """
    per_person = {len(names) for names in images.values()}
    if len(per_person) != 1:
        raise InputError(f"the persons have {sorted(per_person)} images each; the split needs equally many")
    (count,) = per_person
    base = {name: int(round(count * share, 9)) for name, share in shares.items()}
    if min(base.values()) < 1:
        raise InputError(
            f"split: {count} images a person leave some person without a {min(base, key=base.get)} image; "
            "raise subset.images_per_person or that share"
        )
    totals = apportion(count * len(images), shares)
    extras = [name for name in shares for _ in range(totals[name] - base[name] * len(images))]
    persons = keyed.shuffled(images, seed, "split")
    # Dealt round like cards, no person gets the same extra twice: a split has at most one extra a person.
    sizes = {person: dict(base) for person in persons}
    for person, extra in zip(cycle(persons), extras):
        sizes[person][extra] += 1
    return {
        image: name
        for person in persons
        for image, name in zip(
            keyed.shuffled(images[person], seed, "split", person),
            (name for name in shares for _ in range(sizes[person][name])),
            strict=True,
        )
    }

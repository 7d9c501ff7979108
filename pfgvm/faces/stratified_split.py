"""The stratified split into training, validation and test images (Section 4, Table 4)."""

from collections.abc import Mapping, Sequence
from itertools import cycle

from pfgvm import seeding
from pfgvm.errors import InputError


def apportion(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Number of images per split, out of `total`, by the method of largest remainders.

    shares: share of each split in [0, 1]; they sum to 1, and the numbers to `total`. Of equal remainders the first one
    is rounded up. 900 images at 0.70/0.15/0.15 (Table 4) give 630/135/135.
    """
    # Rounded first: in binary 0.29 * 100 is below 29.
    exact = {name: round(total * share, 9) for name, share in shares.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(shares, key=lambda name: round(counts[name] - exact[name], 9))
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def stratified_split(images: Mapping[str, Sequence[str]], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Assign every image to a split (Section 4): image name to key of `shares`.

    images: image names by identity, the same number for each. shares: as in `apportion`, which determines the sizes of
    the splits over all images; within a split, the numbers of images per identity differ by at most one. The assignment
    depends only on `seed` and the names, not on their order.
    Raises InputError if the numbers of images differ, or if an identity would have no image in some split.
    """
    per_person = {len(names) for names in images.values()}
    if len(per_person) != 1:
        raise InputError(f"the identities have {sorted(per_person)} images; give the same number for each")
    (count,) = per_person
    base = {name: int(round(count * share, 9)) for name, share in shares.items()}
    if min(base.values()) < 1:
        smallest = min(base, key=lambda name: base[name])
        raise InputError(
            f"split: with {count} images per identity, some identity has no {smallest} image; "
            "raise subset.images_per_person or that share"
        )
    totals = apportion(count * len(images), shares)
    extras = [name for name in shares for _ in range(totals[name] - base[name] * len(images))]
    persons = seeding.shuffled(images, seed, "split")
    # Distributed in turn, so that no identity gets two extra images of one split.
    sizes = {person: dict(base) for person in persons}
    for person, extra in zip(cycle(persons), extras):
        sizes[person][extra] += 1
    return {
        image: name
        for person in persons
        for image, name in zip(
            seeding.shuffled(images[person], seed, "split", person),
            (name for name in shares for _ in range(sizes[person][name])),
            strict=True,
        )
    }

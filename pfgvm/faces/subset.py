"""The choice of persons and images (Section 4: "random" images of 30 persons, 30 each)."""

import hashlib
from dataclasses import dataclass, field

from pfgvm import seeding
from pfgvm.errors import InputError
from pfgvm.faces.images import decode
from pfgvm.faces.sources import Source


@dataclass
class Subset:
    """The names of the chosen images by person, and what the source or the choice passed over, in words."""

    images: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def select_subset(source: Source, persons: int, images_per_person: int, seed: int) -> Subset:
    """Draw `persons` persons of `source` and `images_per_person` images of each, by (seed, name) whatever the order.

    Only persons with enough images take part, and only chosen images are read. An image that repeats one already
    chosen of the same person (equal pixels) is passed over and noted, so that no image lands in two splits.
    Raises InputError for an image that shows under two persons, for one that is not whole, and when too few persons
    have enough images.
    """
    images_by_person = source.images_by_person()
    eligible = [person for person, images in images_by_person.items() if len(images) >= images_per_person]
    subset = Subset(notes=list(source.notes))
    owner: dict[bytes, tuple[str, str]] = {}
    for person in seeding.shuffled(eligible, seed, "persons"):
        if len(subset.images) == persons:
            break
        chosen: list[str] = []
        for image in seeding.shuffled(images_by_person[person], seed, "images", person):
            if len(chosen) == images_per_person:
                break
            other_person, other = owner.setdefault(_fingerprint(source, image), (person, image))
            if other_person != person:
                raise InputError(
                    f"{image} (person {person}) is the same image as {other} (person {other_person}); "
                    "remove the wrong one (of CelebA: its line of the list), or set another subset.seed"
                )
            if other != image:
                subset.notes.append(f"{image} repeats {other} (person {person}): passed over")
                continue
            chosen.append(image)
        if len(chosen) < images_per_person:
            subset.notes.append(f"person {person} has {len(chosen)} distinct images: passed over")
            continue
        subset.images[person] = chosen
    if len(subset.images) < persons:
        raise InputError(
            f"{len(subset.images)} persons have {images_per_person} distinct images or more, {persons} are asked for; "
            "lower subset.persons or subset.images_per_person, or add faces"
            + "".join(f"\n  {note}" for note in subset.notes)
        )
    return subset


def _fingerprint(source: Source, image: str) -> bytes:
    """A number that images of equal size and pixels share, and no others."""
    image = decode(source.read(image), image)
    return hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest()

"""Selection of identities and images (Section 4: 30 "random" images of each of 30 identities)."""

import hashlib
from dataclasses import dataclass, field

from pfgvm import seeding
from pfgvm.errors import InputError
from pfgvm.faces.images import decode
from pfgvm.faces.sources import Source


@dataclass
class Subset:
    """Names of the selected images by identity, and messages about skipped ones."""

    images: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def select_subset(source: Source, persons: int, images_per_person: int, seed: int) -> Subset:
    """Draw `persons` identities of `source` and `images_per_person` images of each, by (seed, name) alone.

    Only identities with enough images are eligible, and only drawn images are read. A duplicate (equal pixels) within
    an identity is skipped and noted, so that no image is in two splits.
    Raises InputError for an image under two identities, for a damaged image, and if too few identities have enough
    images.
    """
    images_by_person = source.images_by_person()
    eligible = [person for person, images in images_by_person.items() if len(images) >= images_per_person]
    subset = Subset(notes=list(source.notes))
    owner: dict[bytes, tuple[str, str]] = {}
    for person in seeding.shuffled(eligible, seed, "persons"):
        if len(subset.images) == persons:
            break
        names: list[str] = []
        for image in seeding.shuffled(images_by_person[person], seed, "images", person):
            if len(names) == images_per_person:
                break
            other_person, other = owner.setdefault(_fingerprint(source, image), (person, image))
            if other_person != person:
                raise InputError(
                    f"{image} (person {person}) is the same image as {other} (person {other_person}); "
                    "remove the wrong one (for CelebA, its line in the list), or change subset.seed"
                )
            if other != image:
                subset.notes.append(f"{image} repeats {other} (person {person}); skipped")
                continue
            names.append(image)
        if len(names) < images_per_person:
            subset.notes.append(f"person {person} has {len(names)} distinct images; skipped")
            continue
        subset.images[person] = names
    if len(subset.images) < persons:
        raise InputError(
            f"{len(subset.images)} persons have at least {images_per_person} distinct images, {persons} are asked for; "
            "lower subset.persons or subset.images_per_person, or add images"
            + "".join(f"\n  {note}" for note in subset.notes)
        )
    return subset


def _fingerprint(source: Source, image: str) -> bytes:
    """Hash of the size and pixels of an image."""
    decoded = decode(source.read(image), image)
    return hashlib.sha256(repr(decoded.size).encode() + decoded.tobytes()).digest()

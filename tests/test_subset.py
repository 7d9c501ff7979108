"""The selection depends on the seed and the names alone, and reads only the images that it needs."""

import hashlib
import json
import os
import random
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from faces_on_disk import People, celeba, encoded, folders, identities, people, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pfgvm import seeding
from pfgvm.errors import InputError
from pfgvm.faces.sources import open_source
from pfgvm.faces.subset import select_subset

ROOT = Path(__file__).parent.parent


class Shelf:
    """Faces in memory that record which images are read."""

    def __init__(self, faces: People) -> None:
        self._people = {person: list(images) for person, images in faces.items()}
        self._files = {image: content for images in faces.values() for image, content in images.items()}
        self.reads: list[str] = []
        self.notes: list[str] = []

    def images_by_person(self) -> dict[str, list[str]]:
        return self._people

    def read(self, image: str) -> bytes:
        self.reads.append(image)
        return self._files[image]


def chosen(faces: People, persons: int, images: int, seed: int = 0) -> dict[str, list[str]]:
    return select_subset(Shelf(faces), persons, images, seed).images


def in_another_order(faces: People, order: random.Random) -> People:
    persons = list(faces)
    order.shuffle(persons)
    return {person: dict(order.sample(list(faces[person].items()), len(faces[person]))) for person in persons}


def as_sets(subset: dict[str, list[str]]) -> dict[str, set[str]]:
    return {person: set(images) for person, images in subset.items()}


# Many images, created once: hypothesis draws how many of each identity are used.
GALLERY = people(8, 9)


@st.composite
def galleries(draw: st.DrawFn) -> tuple[People, int, int, int]:
    """Faces, and numbers of identities and images and a seed, for which there are enough faces."""
    persons, images = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    enough = draw(st.lists(st.integers(images, 9), min_size=persons, max_size=persons + 2))
    few = draw(st.lists(st.integers(0, images - 1), max_size=8 - len(enough)))
    counts = draw(st.permutations(enough + few))
    faces = {
        person: dict(list(GALLERY[person].items())[:count]) for person, count in zip(GALLERY, counts, strict=False)
    }
    return faces, persons, images, draw(st.integers(0, 2**32))


@given(galleries(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_choice_is_whole_and_whatever_the_order(drawn: tuple[People, int, int, int], order: random.Random):
    faces, persons, images, seed = drawn
    shelf = Shelf(faces)
    subset = select_subset(shelf, persons, images, seed)
    assert len(subset.images) == persons and subset.notes == []
    for person, names in subset.images.items():
        assert len(names) == len(set(names)) == images
        assert set(names) <= set(faces[person])
    assert sorted(shelf.reads) == sorted(image for names in subset.images.values() for image in names)
    again = chosen(in_another_order(faces, order), persons, images, seed)
    assert list(again.items()) == list(subset.images.items())


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_the_choice_is_the_same_from_every_layout(tmp_path: Path, zipped: bool):
    source = open_source("celeba", celeba(tmp_path, GALLERY, zipped=zipped))
    assert select_subset(source, 3, 4, seed=7).images == chosen(GALLERY, 3, 4, seed=7)


def test_the_seed_changes_persons_and_images():
    choices = [as_sets(chosen(GALLERY, 3, 4, seed)) for seed in range(8)]
    assert len({frozenset(choice) for choice in choices}) > 1
    assert len({frozenset(choice.get("10", ())) for choice in choices} - {frozenset()}) > 1


def test_every_person_and_image_has_an_equal_chance():
    faces = {person: dict(list(GALLERY[person].items())[:3]) for person in ["10", "20", "30"]}
    first = [next(iter(chosen(faces, 1, 1, seed).items())) for seed in range(600)]
    for person in faces:
        assert 150 < sum(name == person for name, _ in first) < 250
        for image in faces[person]:
            assert 35 < sum(image in files for _, files in first) < 100


def test_more_persons_keep_those_chosen_before():
    few, many = as_sets(chosen(GALLERY, 3, 4)), as_sets(chosen(GALLERY, 5, 4))
    assert few.items() <= many.items()


def test_keys_fix_the_draw_on_every_machine():
    digest = hashlib.sha256(json.dumps([7, "persons", "Zoë"]).encode()).hexdigest()
    assert f"{seeding.derive_seed(7, 'persons', 'Zoë'):032x}" == digest[:32]
    assert seeding.shuffled("abcdea", 0, "persons") == ["d", "e", "c", "b", "a"]
    assert seeding.rng(0, "noise").bit_generator.random_raw() == 4096044484147011216


def test_a_repeated_image_is_passed_over_and_noted():
    faces = {person: dict(GALLERY[person]) for person in ["10", "20"]}
    names = seeding.shuffled(faces["10"], 0, "images", "10")
    faces["10"][names[2]] = faces["10"][names[0]]
    subset = select_subset(Shelf(faces), 2, 4, seed=0)
    assert subset.images["10"] == [names[0], names[1], names[3], names[4]]
    [note] = subset.notes
    assert names[2] in note and names[0] in note and "person 10" in note


def test_equal_pixels_in_other_bytes_are_a_repeat():
    faces = people(2, 3)
    names = seeding.shuffled(faces["10"], 0, "images", "10")
    faces["10"][names[1]] = faces["10"][names[0]] + b"bytes after the image's end"
    faces["10"]["000099.jpg"] = picture("one more")
    subset = select_subset(Shelf(faces), 2, 3, seed=0)
    assert not {names[0], names[1]} <= set(subset.images["10"])


def test_images_that_differ_in_one_pixel_of_their_corner_are_not_the_same():
    faces = people(2, 3)
    for level, image in enumerate(faces["10"]):
        drawn = Image.new("RGB", (8, 8))
        drawn.putpixel((0, 0), (level, 0, 0))
        faces["10"][image] = encoded(drawn)
    subset = select_subset(Shelf(faces), 2, 3, seed=0)
    assert set(subset.images["10"]) == set(faces["10"])


def test_a_person_of_repeats_is_skipped_and_noted():
    faces = people(3, 4)
    first = seeding.shuffled(faces, 0, "persons")[0]
    faces[first] = dict.fromkeys(faces[first], picture("the same"))
    subset = select_subset(Shelf(faces), 2, 4, seed=0)
    assert set(subset.images) == set(faces) - {first}
    assert any(f"person {first} has 1 distinct" in note for note in subset.notes)


def test_one_image_under_two_persons_is_refused():
    faces = people(2, 3)
    faces["20"]["000005.jpg"] = faces["10"]["000002.jpg"]
    with pytest.raises(InputError) as refused:
        chosen(faces, 2, 3)
    for word in ["000005.jpg", "person 20", "000002.jpg", "person 10", "remove"]:
        assert word in str(refused.value)


def test_too_few_persons_are_counted():
    faces = people(3, 4)
    del faces["30"]["000009.jpg"]
    with pytest.raises(InputError, match=r"^2 persons have at least 4 distinct images, 3 are asked for") as refused:
        chosen(faces, 3, 4)
    assert "subset.persons" in str(refused.value) and "subset.images_per_person" in str(refused.value)


def test_too_few_persons_because_of_repeats_are_explained():
    faces = people(2, 3)
    faces["10"]["000003.jpg"] = faces["10"]["000001.jpg"]
    with pytest.raises(InputError, match=r"(?s)^1 persons have at least 3 .*repeats.*person 10 has 2 distinct"):
        chosen(faces, 2, 3)


def test_a_damaged_image_is_named():
    faces = people(2, 3)
    faces["20"]["000005.jpg"] = b"not an image"
    with pytest.raises(InputError, match=r"^000005\.jpg: "):
        chosen(faces, 2, 3)


def test_a_damaged_image_that_is_not_chosen_does_not_matter():
    faces = people(2, 4)
    unread = seeding.shuffled(faces["20"], 0, "images", "20")[-1]
    faces["20"][unread] = b"not an image"
    assert unread not in chosen(faces, 2, 3)["20"]


def test_folders_choose_by_person_and_file(tmp_path: Path):
    subset = select_subset(open_source("folder", folders(tmp_path, people(["ann", "bob"], 3))), 2, 3, seed=0)
    assert set(subset.images["bob"]) == {"bob/000004.jpg", "bob/000005.jpg", "bob/000006.jpg"}


def test_what_the_source_skipped_is_noted():
    shelf = Shelf(people(2, 3))
    shelf.notes = [".heic files: 5 skipped"]
    assert select_subset(shelf, 2, 3, seed=0).notes == shelf.notes
    with pytest.raises(InputError, match=r"(?s)^2 persons have at least 3 .*\.heic files: 5 skipped$"):
        select_subset(shelf, 3, 3, seed=0)


def test_no_more_than_an_image_is_in_memory():
    faces = people(3, 10)
    shelf = Shelf(faces)
    read = shelf.read
    shelf.read = lambda image: read(image) + bytes(1_000_000)  # after the end of the image
    tracemalloc.start()
    select_subset(shelf, 3, 10, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


PERSONS_IN_LARGE_ZIP, IMAGES_OF_EACH = 400, 40
SELECT_FROM_LARGE_ZIP = """
import re, resource, sys
from pathlib import Path
from pfgvm.faces.sources import open_source
from pfgvm.faces.subset import select_subset

def peak_mib():
    # A process started by fork inherits its parent's peak in ru_maxrss, but not in Linux's VmHWM.
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

before, reads = peak_mib(), []
source = open_source("celeba", Path(sys.argv[1]))
read = source.read
source.read = lambda image: reads.append(image) or read(image)
subset = select_subset(source, 30, 30, 0)
print(len(subset.images), len(reads), peak_mib() - before)
"""


def test_a_large_zip_is_read_in_place(tmp_path: Path):
    names = [f"{number:06}.jpg" for number in range(1, PERSONS_IN_LARGE_ZIP * IMAGES_OF_EACH + 1)]
    # A bitmap of one pixel, of another colour in every image.
    head = bytes.fromhex("424d3a0000000000000036000000280000000100000001000000010018000000000004000000") + bytes(16)
    with (tmp_path / "img_align_celeba.zip").open("wb") as file:
        file.seek(400 * 2**20)  # a hole at the start, which uses no disk space but would show a read of the whole file
        with zipfile.ZipFile(file, "w") as archive:
            for number, name in enumerate(names):
                archive.writestr(f"img_align_celeba/{name}", head + number.to_bytes(4, "little"))
    identities(tmp_path, [f"{name} {1 + row // IMAGES_OF_EACH}" for row, name in enumerate(names)], "\r\n")
    command = [sys.executable, "-c", SELECT_FROM_LARGE_ZIP, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    persons, reads, peak = done.stdout.split()
    assert (int(persons), int(reads)) == (30, 900)
    assert float(peak) < 100  # zipfile takes 0.7 kB for each member

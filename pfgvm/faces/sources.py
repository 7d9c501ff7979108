"""The layouts in which faces lie on disk, read in place: CelebA's own, and one folder a person."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Protocol

from pfgvm.errors import InputError
from pfgvm.faces.zips import DamagedZip, Zip

IDENTITIES = "identity_CelebA.txt"
PICTURES = "img_align_celeba"
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


class Source(Protocol):
    """Faces that can be listed by person and read one at a time."""

    def people(self) -> dict[str, list[str]]:
        """Person -> names of all images of that person."""

    def read(self, image: str) -> bytes:
        """The file of `image` as it lies on disk."""


def open_source(source: str, root: Path) -> Source:
    """The faces under `root` in the layout that the setting data.source names.

    Raises InputError when `root` is missing, empty or of another layout.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; set data.root to the folder that holds the faces")
    if not any(root.iterdir()):
        raise InputError(f"{root}: is empty; set data.root to the folder that holds the faces")
    return FolderSource(root) if source == "folder" else CelebASource(root)


class CelebASource:
    """CelebA's own layout: `identity_CelebA.txt`, and `img_align_celeba/` or `img_align_celeba.zip`."""

    def __init__(self, root: Path) -> None:
        self._identities = root / IDENTITIES
        if not self._identities.is_file():
            raise InputError(f"{root}: holds no {IDENTITIES}; put CelebA's list of identities there")
        if (root / PICTURES).is_dir():
            self._pictures: _Folder | _Zip = _Folder(root / PICTURES)
        elif (root / f"{PICTURES}.zip").is_file():
            self._pictures = _Zip(root / f"{PICTURES}.zip")
        else:
            raise InputError(f"{root}: holds neither {PICTURES}/ nor {PICTURES}.zip; put CelebA's aligned images there")

    def people(self) -> dict[str, list[str]]:
        """See Source. Raises InputError for a malformed line, an image listed twice, or one that is not there."""
        present = self._pictures.names()
        # What is left to list. The lists of people share its strings: 200,000 fewer in memory.
        unlisted = {image: image for image in present}
        people: dict[str, list[str]] = {}
        for number, line in enumerate(_lines(self._identities), start=1):
            match line.split():
                case [image, person] if person.isdigit() and image in unlisted:
                    people.setdefault(person, []).append(unlisted.pop(image))
                case [image, person] if person.isdigit():
                    problem = (
                        f"{image} is listed twice; remove one of its lines"
                        if image in present
                        else f"{image} is not in {self._pictures.path}; add the image or remove the line"
                    )
                    raise InputError(f"{self._identities}, line {number}: {problem}")
                case [_, *_]:
                    problem = f"{line.strip()!r} is not 'image person'; correct or remove the line"
                    raise InputError(f"{self._identities}, line {number}: {problem}")
        if not people:
            raise InputError(f"{self._identities}: lists no image; put CelebA's list of identities there")
        return people

    def read(self, image: str) -> bytes:
        """See Source."""
        return self._pictures.read(image)


class FolderSource:
    """One folder of images a person; an image's name is `person/file`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def people(self) -> dict[str, list[str]]:
        """See Source. Raises InputError when no folder holds an image, or a name is no plain text."""
        people = {
            folder.name: [f"{folder.name}/{file.name}" for file in folder.iterdir() if _is_picture(file)]
            for folder in self._root.iterdir()
            if folder.is_dir() and not folder.name.startswith(".")
        }
        for name in (*people, *(image for images in people.values() for image in images)):
            if not name.isprintable():
                raise InputError(f"{self._root}: the name {name!r} is no plain text; rename that file or folder")
        if not any(people.values()):
            raise InputError(f"{self._root}: holds no folder of images; data.source folder wants one folder a person")
        return people

    def read(self, image: str) -> bytes:
        """See Source."""
        return _content(self._root / image)


class _Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> Collection[str]:
        return os.listdir(self.path)

    def read(self, image: str) -> bytes:
        return _content(self.path / image)


class _Zip:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, int] = {}
        try:
            self._zip = Zip(path)
            for name, place in self._zip.members():
                if _is_unsafe(name):
                    raise InputError(f"{path}: holds the unsafe path {name!r}; use CelebA's own {PICTURES}.zip")
                image = name.rpartition("/")[2]
                if image and self._places.setdefault(image, place) != place:
                    raise InputError(f"{path}: holds {image} twice; use CelebA's own {PICTURES}.zip")
        except (DamagedZip, OSError) as error:
            raise InputError(f"{path}: not a whole zip ({error}); download it again") from None

    def names(self) -> Collection[str]:
        return self._places

    def read(self, image: str) -> bytes:
        try:
            return self._zip.read(self._places[image])
        except (DamagedZip, OSError) as error:
            raise InputError(f"{self.path}: {image} cannot be read ({error}); download the zip again") from None


def _is_unsafe(name: str) -> bool:
    # Without pathlib, which takes seconds for 200,000 names.
    return name[:1] == "/" or "\\" in name or "\0" in name or (".." in name and ".." in name.split("/"))


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); replace or remove it") from None


def _lines(path: Path) -> Iterator[str]:
    # Universal newlines: CelebA's list exists with LF and with CRLF.
    try:
        with path.open(encoding="utf-8") as file:
            yield from file
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not a text file; put CelebA's list of identities there") from None


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()

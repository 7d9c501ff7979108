"""The layouts in which faces lie on disk, read in place: CelebA's own, and one folder a person."""

import contextlib
import functools
import os
import unicodedata
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Protocol

from pfgvm.errors import InputError
from pfgvm.faces.images import picture_suffixes

IDENTITIES = "identity_CelebA.txt"
PICTURES = "img_align_celeba"


class Source(Protocol):
    """Faces that can be listed by person and read one at a time."""

    # What the last call of `images_by_person` passed over, in words.
    notes: list[str]

    def images_by_person(self) -> dict[str, list[str]]:
        """Person -> names of all images of that person, in any order; sets `notes`."""

    def read(self, image: str) -> bytes:
        """The file of `image` as it lies on disk. Raises InputError where it cannot be read."""


def open_source(source: str, root: Path) -> Source:
    """The faces under `root` in the layout that `source` (the setting data.source: a key of SOURCES) names.

    Raises InputError when `root` is missing, empty, unreadable or of another layout, and for what keeps DVC from
    hashing it: a link to nothing, a name that is not UTF-8.
    """
    with _reading(root):
        if not root.is_dir():
            expanded = Path(os.path.expanduser(root))
            if expanded != root:
                raise InputError(f"{root}: no such folder (~ is not expanded here); set data.root to {expanded}")
            raise InputError(f"{root}: no such folder; set data.root to the folder that holds the faces")
        if not any(root.iterdir()):
            raise InputError(f"{root}: is empty; set data.root to the folder that holds the faces")
        _check_that_dvc_can_hash(root)
    return SOURCES[source](root)


class CelebASource:
    """CelebA's own layout: `identity_CelebA.txt`, and `img_align_celeba/` or `img_align_celeba.zip`.

    Read as well: both where the official download has them (Anno/, Img/), the pictures one folder deeper, and
    editions in another format, whose names differ from the listed ones in their ending alone.
    """

    def __init__(self, root: Path) -> None:
        self.notes: list[str] = []
        with _reading(root):
            lists = [path for path in (root / IDENTITIES, root / "Anno" / IDENTITIES) if path.is_file()]
            if not lists:
                raise InputError(f"{root}: holds no {IDENTITIES}; {_where_to_put_the_list(root)}")
            self._identities = lists[0]
            self._pictures = _open_pictures(root)

    def images_by_person(self) -> dict[str, list[str]]:
        """See Source. Listed images that are not there are counted in `notes`.

        Raises InputError for a malformed line, an image listed twice, and when no listed image is there.
        """
        images: dict[str, list[str]] = {}
        listed: set[str] = set()
        missing: list[str] = []
        for number, line in enumerate(_lines(self._identities), start=1):
            match line.split():
                case []:
                    continue
                case [image, person] if person.isdecimal():
                    found = self._pictures.find(image)
                case _:
                    problem = f"{line.strip()!r} is not 'image person'; correct or remove the line"
                    raise InputError(f"{self._identities}, line {number}: {problem}")
            if found is None:
                missing.append(image)
            elif found in listed:
                problem = f"{image} is listed twice; remove one of its lines"
                raise InputError(f"{self._identities}, line {number}: {problem}")
            else:
                listed.add(found)
                images.setdefault(person, []).append(found)
        if not listed and not missing:
            raise InputError(f"{self._identities}: lists no image; put CelebA's list of identities there")
        if not listed:
            raise InputError(
                f"{self._pictures.path}: holds {len(self._pictures.names)} files, but none of the {len(missing)} "
                f"images that {IDENTITIES} lists, such as {missing[0]}; put CelebA's aligned images there"
            )
        self.notes = []
        if missing:
            self.notes.append(
                f"{self._pictures.path}: holds {len(listed)} of the images that {IDENTITIES} lists and not the "
                f"other {len(missing)}, such as {missing[0]}: passed over"
            )
        return images

    def read(self, image: str) -> bytes:
        """See Source."""
        return self._pictures.read(image)


class FolderSource:
    """One folder of images a person; an image's name is `person/file`. What begins with a dot is not looked at."""

    def __init__(self, root: Path) -> None:
        self.notes: list[str] = []
        self._root = root

    def images_by_person(self) -> dict[str, list[str]]:
        """See Source. Whatever else lies there is counted in `notes`.

        Raises InputError when no folder holds an image, and for a person whose name would break a table.
        """
        self.notes = []
        images: dict[str, list[str]] = {}
        passed_over: dict[str, list[str]] = {}
        with _reading(self._root):
            for folder in _visible(_entries(self._root)):
                if not folder.is_dir():
                    passed_over.setdefault("files outside the persons' folders", []).append(folder.name)
                    continue
                try:
                    files = _visible(_entries(folder.path))
                except InputError as error:
                    self.notes.append(f"{error}: passed over")
                    continue
                for file in files:
                    name = f"{folder.name}/{file.name}"
                    if problem := _problem(file):
                        passed_over.setdefault(problem, []).append(name)
                    else:
                        images.setdefault(folder.name, []).append(name)
        for problem, names in passed_over.items():
            self.notes.append(f"{problem}: {len(names)} passed over, such as {names[0]!r}")
        if not images:
            raise InputError(self._why_nothing_was_found())
        for person in images:
            if _breaks_lines(person):
                raise InputError(f"{self._root}: the name {person!r} holds a control character; rename that folder")
        return images

    def read(self, image: str) -> bytes:
        """See Source."""
        return _content(self._root / image)

    def _why_nothing_was_found(self) -> str:
        deeper = self._folders_of_folders_of_images()
        if deeper:
            return (
                f"{self._root}: the folders of images lie deeper, in {', '.join(map(str, deeper[:5]))}; "
                "set data.root to one of these, for data.source folder wants one folder a person right under it"
            )
        return (
            f"{self._root}: holds no folder of images; data.source folder wants one folder a person, its images as "
            ".jpg, .png, .tif or in another format that Pillow reads" + "".join(f"\n  {note}" for note in self.notes)
        )

    def _folders_of_folders_of_images(self) -> list[Path]:
        found: set[Path] = set()
        for folder, inner, files in os.walk(self._root):
            inner[:] = [name for name in inner if not name.startswith(".")]
            if any(_suffix(file) in picture_suffixes() for file in files):
                found.add(Path(folder).parent)
        return sorted(found - {self._root, self._root.parent})


# The values of the setting data.source.
SOURCES: dict[str, type[CelebASource] | type[FolderSource]] = {
    "synthetic": CelebASource,
    "celeba": CelebASource,
    "folder": FolderSource,
}


class _Pictures:
    """CelebA's pictures, by their file names, in the folder or the zip `path`."""

    def __init__(self, path: Path, names: Collection[str]) -> None:
        self.path = path
        self.names = names

    def find(self, image: str) -> str | None:
        """The name under which the listed `image` is there: its own, or one that differs in the ending alone."""
        return image if image in self.names else self._by_stem.get(_stem(image))

    def read(self, image: str) -> bytes:
        raise NotImplementedError

    @functools.cached_property
    def _by_stem(self) -> dict[str, str]:
        return {_stem(name): name for name in sorted(self.names) if _suffix(name) in picture_suffixes()}


class _Folder(_Pictures):
    def __init__(self, path: Path) -> None:
        entries = _visible(_entries(path))
        # Kaggle's edition, and many a program that extracts, puts the folder into another.
        while not any(_suffix(entry.name) in picture_suffixes() for entry in entries):
            folders = [entry for entry in entries if entry.is_dir()]
            if len(folders) != 1:
                break
            path = Path(folders[0].path)
            entries = _visible(_entries(path))
        super().__init__(path, {entry.name for entry in entries if _suffix(entry.name) in picture_suffixes()})

    def read(self, image: str) -> bytes:
        return _content(self.path / image)


class _Zip(_Pictures):
    def __init__(self, path: Path) -> None:
        self._members: dict[str, str] = {}
        try:
            self._zip = zipfile.ZipFile(path)
        except PermissionError:
            raise
        # Damaged fields make zipfile raise nearly anything.
        except Exception as error:
            raise InputError(f"{path}: not a whole zip ({error}); download it again") from None
        for member in self._zip.infolist():
            # As it stands in the zip: zipfile cuts `filename` at a zero byte.
            name = member.orig_filename
            if _is_unsafe(name):
                raise InputError(f"{path}: holds the unsafe path {name!r}; use CelebA's own {PICTURES}.zip")
            image = name.rpartition("/")[2]
            if image in self._members:
                raise InputError(f"{path}: holds {image} twice; use CelebA's own {PICTURES}.zip")
            if image:
                self._members[image] = member.filename
        super().__init__(path, self._members.keys())

    def read(self, image: str) -> bytes:
        try:
            return self._zip.read(self._members[image])
        # As above.
        except Exception as error:
            raise InputError(f"{self.path}: {image} cannot be read ({error}); download the zip again") from None


def _open_pictures(root: Path) -> _Pictures:
    empty = None
    for place in (root, root / "Img"):
        for path in (place / PICTURES, place / f"{PICTURES}_png"):
            if path.is_dir():
                folder = _Folder(path)
                if folder.names:
                    return folder
                empty = path
        if (place / f"{PICTURES}.zip").is_file():
            return _Zip(place / f"{PICTURES}.zip")
    if empty:
        raise InputError(f"{empty}: holds no picture; put CelebA's aligned images there")
    raise InputError(f"{root}: holds neither {PICTURES}/ nor {PICTURES}.zip; put CelebA's aligned images there")


def _where_to_put_the_list(root: Path) -> str:
    deeper = sorted(path.parent for path in root.glob(f"*/{IDENTITIES}"))
    return f"set data.root to {deeper[0]}, which does" if deeper else "put CelebA's list of identities there"


def _check_that_dvc_can_hash(root: Path) -> None:
    # DVC hashes the whole folder, and stops at either with an error that names no remedy.
    folders = [os.fspath(root)]
    while folders:
        # A folder that cannot be listed DVC passes over.
        with contextlib.suppress(PermissionError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink() and not os.path.exists(entry.path):
                    raise InputError(f"{entry.path}: is a link to nothing; remove it, or restore what it points to")
                if _is_undecodable(entry.name):
                    raise InputError(f"{os.path.dirname(entry.path)}: the name {entry.name!r} is not UTF-8; rename it")
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)


def _is_undecodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False


def _breaks_lines(name: str) -> bool:
    # Control characters and Unicode's line and paragraph separators; a joiner or a wide space is plain text.
    return not name.isprintable() and any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") for each in name)


def _problem(file: os.DirEntry[str]) -> str | None:
    """Why `file`, in a person's folder, is not taken as an image; None if it is."""
    if not file.is_file():
        return "folders inside persons' folders"
    if _suffix(file.name) not in picture_suffixes():
        return f"{_suffix(file.name)} files, which Pillow does not read" if _suffix(file.name) else "files of no suffix"
    if _breaks_lines(file.name):
        return "names that hold a control character"
    return None


def _suffix(name: str) -> str:
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _visible(entries: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    return [entry for entry in entries if not entry.name.startswith(".")]


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    with _reading(folder), os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


@contextlib.contextmanager
def _reading(path: str | Path) -> Iterator[None]:
    """Makes an error of the file system, met while `path` is read, one that names the culprit and the remedy."""
    try:
        yield
    except OSError as error:
        remedy = "make it readable" if isinstance(error, PermissionError) else "replace or remove it"
        raise InputError(f"{error.filename or path}: cannot be read ({error.strerror}); {remedy}") from None


def _is_unsafe(name: str) -> bool:
    # Without pathlib, which takes seconds for 200,000 names.
    return name[:1] == "/" or "\\" in name or "\0" in name or (".." in name and ".." in name.split("/"))


def _content(file: Path) -> bytes:
    with _reading(file):
        return file.read_bytes()


def _lines(path: Path) -> Iterator[str]:
    # Universal newlines: CelebA's list exists with LF and with CRLF; some editors put a mark in front of UTF-8.
    try:
        with _reading(path), path.open(encoding="utf-8-sig") as file:
            yield from file
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not a text file; put CelebA's list of identities there") from None

"""CelebA in its distributed layout: a list of identities, and aligned images in a folder or zip, read in place."""

import functools
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path

from pfgvm.errors import InputError
from pfgvm.faces.disk import content, reading, stem, suffix, visible_entries
from pfgvm.faces.images import image_suffixes

IDENTITIES = "identity_CelebA.txt"
IMAGE_FOLDER = "img_align_celeba"


class CelebASource:
    """CelebA's own layout: `identity_CelebA.txt`, and `img_align_celeba/` or `img_align_celeba.zip`.

    Also supported: the folders of the official download (Anno/, Img/), images one folder deeper, and editions in
    another format, whose file names differ from the listed ones only in the extension.
    """

    def __init__(self, root: Path) -> None:
        self.notes: list[str] = []
        with reading(root):
            lists = [path for path in (root / IDENTITIES, root / "Anno" / IDENTITIES) if path.is_file()]
            if not lists:
                raise InputError(f"{root}: contains no {IDENTITIES}; {_identities_remedy(root)}")
            self._identities = lists[0]
            self._files = _open_files(root)

    def images_by_person(self) -> dict[str, list[str]]:
        """See Source. Missing listed images are counted in `notes`.

        Raises InputError for a malformed line, for an image listed twice, and if no listed image is present.
        """
        images: dict[str, list[str]] = {}
        listed: set[str] = set()
        missing: list[str] = []
        for number, line in enumerate(_lines(self._identities), start=1):
            match line.split():
                case []:
                    continue
                case [image, person] if person.isdecimal():
                    file_name = self._files.find(image)
                case _:
                    problem = f"{line.strip()!r} is not 'image person'; correct or remove the line"
                    raise InputError(f"{self._identities}, line {number}: {problem}")
            if file_name is None:
                missing.append(image)
            elif file_name in listed:
                problem = f"{image} is listed twice; remove one of the lines"
                raise InputError(f"{self._identities}, line {number}: {problem}")
            else:
                listed.add(file_name)
                images.setdefault(person, []).append(file_name)
        if not listed and not missing:
            raise InputError(f"{self._identities}: lists no image; replace it by CelebA's list of identities")
        if not listed:
            raise InputError(
                f"{self._files.path}: contains {len(self._files.names)} files, but none of the {len(missing)} "
                f"images listed in {IDENTITIES}, such as {missing[0]}; put CelebA's aligned images there"
            )
        self.notes = []
        if missing:
            self.notes.append(
                f"{self._files.path}: contains {len(listed)} of the images listed in {IDENTITIES}; the other "
                f"{len(missing)}, such as {missing[0]}, are skipped"
            )
        return images

    def read(self, image: str) -> bytes:
        """See Source."""
        return self._files.read(image)


class _ImageFiles:
    """CelebA's image files, by name, in the folder or zip `path`."""

    def __init__(self, path: Path, names: Collection[str]) -> None:
        self.path = path
        self.names = names

    def find(self, image: str) -> str | None:
        """File name of the listed `image`, which may differ in the extension; None if it is missing."""
        return image if image in self.names else self._by_stem.get(stem(image))

    def read(self, image: str) -> bytes:
        raise NotImplementedError

    @functools.cached_property
    def _by_stem(self) -> dict[str, str]:
        return {stem(name): name for name in sorted(self.names) if suffix(name) in image_suffixes()}


class _Folder(_ImageFiles):
    def __init__(self, path: Path) -> None:
        entries = visible_entries(path)
        # Kaggle's edition and many archive programs nest the folder in another one.
        while not any(suffix(entry.name) in image_suffixes() for entry in entries):
            folders = [entry for entry in entries if entry.is_dir()]
            if len(folders) != 1:
                break
            path = Path(folders[0].path)
            entries = visible_entries(path)
        super().__init__(path, {entry.name for entry in entries if suffix(entry.name) in image_suffixes()})

    def read(self, image: str) -> bytes:
        return content(self.path / image)


class _Zip(_ImageFiles):
    def __init__(self, path: Path) -> None:
        self._members: dict[str, str] = {}
        try:
            self._zip = zipfile.ZipFile(path)
        except PermissionError:
            raise
        # zipfile may raise any error for damaged fields.
        except Exception as error:
            raise InputError(f"{path}: not a complete zip file ({error}); download it again") from None
        for member in self._zip.infolist():
            image = member.filename.rpartition("/")[2]
            if image in self._members:
                raise InputError(f"{path}: contains {image} twice; use CelebA's own {IMAGE_FOLDER}.zip")
            if image:
                self._members[image] = member.filename
        super().__init__(path, self._members.keys())

    def read(self, image: str) -> bytes:
        try:
            return self._zip.read(self._members[image])
        except Exception as error:
            raise InputError(f"{self.path}: {image} cannot be read ({error}); download the zip again") from None


def _open_files(root: Path) -> _ImageFiles:
    empty = None
    for place in (root, root / "Img"):
        for path in (place / IMAGE_FOLDER, place / f"{IMAGE_FOLDER}_png"):
            if path.is_dir():
                folder = _Folder(path)
                if folder.names:
                    return folder
                empty = path
        if (place / f"{IMAGE_FOLDER}.zip").is_file():
            return _Zip(place / f"{IMAGE_FOLDER}.zip")
    if empty:
        raise InputError(f"{empty}: contains no image; put CelebA's aligned images there")
    raise InputError(
        f"{root}: contains neither {IMAGE_FOLDER}/ nor {IMAGE_FOLDER}.zip; put CelebA's aligned images there"
    )


def _identities_remedy(root: Path) -> str:
    deeper = sorted(path.parent for path in root.glob(f"*/{IDENTITIES}"))
    return f"set data.root to {deeper[0]}, which contains it" if deeper else "put CelebA's list of identities there"


def _lines(path: Path) -> Iterator[str]:
    # CelebA's list exists with LF and CRLF; some editors add a byte order mark.
    try:
        with reading(path), path.open(encoding="utf-8-sig") as file:
            yield from file
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not a text file; replace it by CelebA's list of identities") from None

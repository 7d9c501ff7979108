"""One folder of images per identity, read in place."""

import os
from pathlib import Path

from pfgvm.errors import InputError
from pfgvm.faces.disk import breaks_lines, content, reading, suffix, visible_entries
from pfgvm.faces.images import image_suffixes


class FolderSource:
    """One folder of images per identity; image names are `person/file`. Hidden entries are ignored."""

    def __init__(self, root: Path) -> None:
        self.notes: list[str] = []
        self._root = root

    def images_by_person(self) -> dict[str, list[str]]:
        """See Source. Other entries are counted in `notes`.

        Raises InputError if no folder contains an image, and for an identity whose name would break a table.
        """
        self.notes = []
        images: dict[str, list[str]] = {}
        skipped: dict[str, list[str]] = {}
        with reading(self._root):
            for folder in visible_entries(self._root):
                if not folder.is_dir():
                    skipped.setdefault("files outside the identities' folders", []).append(folder.name)
                    continue
                try:
                    files = visible_entries(folder.path)
                except InputError as error:
                    self.notes.append(f"{error}: skipped")
                    continue
                for file in files:
                    name = f"{folder.name}/{file.name}"
                    if problem := _problem(file):
                        skipped.setdefault(problem, []).append(name)
                    else:
                        images.setdefault(folder.name, []).append(name)
        for problem, names in skipped.items():
            self.notes.append(f"{problem}: {len(names)} skipped, such as {names[0]!r}")
        if not images:
            raise InputError(self._no_images_message())
        for person in images:
            if breaks_lines(person):
                raise InputError(f"{self._root}: the name {person!r} contains a control character; rename that folder")
        return images

    def read(self, image: str) -> bytes:
        """See Source."""
        return content(self._root / image)

    def _no_images_message(self) -> str:
        deeper = self._candidate_roots()
        if deeper:
            return (
                f"{self._root}: the folders of images are deeper, in {', '.join(map(str, deeper[:5]))}; "
                "set data.root to one of these, so that it directly contains one folder per identity"
            )
        return (
            f"{self._root}: contains no folder of images; add one folder per identity, with images as .jpg, .png, .tif "
            "or in another format that Pillow reads" + "".join(f"\n  {note}" for note in self.notes)
        )

    def _candidate_roots(self) -> list[Path]:
        parents: set[Path] = set()
        for folder, inner, files in os.walk(self._root):
            inner[:] = [name for name in inner if not name.startswith(".")]
            if any(suffix(file) in image_suffixes() for file in files):
                parents.add(Path(folder).parent)
        return sorted(parents - {self._root, self._root.parent})


def _problem(file: os.DirEntry[str]) -> str | None:
    """Reason why `file`, in an identity's folder, is no image; None if it is one."""
    if not file.is_file():
        return "folders inside identities' folders"
    if suffix(file.name) not in image_suffixes():
        return (
            f"{suffix(file.name)} files, which Pillow does not read"
            if suffix(file.name)
            else "files without an extension"
        )
    if breaks_lines(file.name):
        return "names with a control character"
    return None

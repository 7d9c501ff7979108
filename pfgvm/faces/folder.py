"""One folder of images a person, read in place."""

import os
from pathlib import Path

from pfgvm.errors import InputError
from pfgvm.faces.disk import breaks_lines, content, reading, suffix, visible_entries
from pfgvm.faces.images import image_suffixes


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
        with reading(self._root):
            for folder in visible_entries(self._root):
                if not folder.is_dir():
                    passed_over.setdefault("files outside the persons' folders", []).append(folder.name)
                    continue
                try:
                    files = visible_entries(folder.path)
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
            if breaks_lines(person):
                raise InputError(f"{self._root}: the name {person!r} holds a control character; rename that folder")
        return images

    def read(self, image: str) -> bytes:
        """See Source."""
        return content(self._root / image)

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
            if any(suffix(file) in image_suffixes() for file in files):
                found.add(Path(folder).parent)
        return sorted(found - {self._root, self._root.parent})


def _problem(file: os.DirEntry[str]) -> str | None:
    """Why `file`, in a person's folder, is not taken as an image; None if it is."""
    if not file.is_file():
        return "folders inside persons' folders"
    if suffix(file.name) not in image_suffixes():
        return f"{suffix(file.name)} files, which Pillow does not read" if suffix(file.name) else "files of no suffix"
    if breaks_lines(file.name):
        return "names that hold a control character"
    return None

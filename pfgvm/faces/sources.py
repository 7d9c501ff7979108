"""Sources of face images: the layouts of the setting data.source."""

import os
from pathlib import Path
from typing import Protocol

from pfgvm.errors import InputError
from pfgvm.faces.celeba import CelebASource
from pfgvm.faces.disk import check_that_dvc_can_hash, reading
from pfgvm.faces.folder import FolderSource


class Source(Protocol):
    """Face images, listed by identity and read one at a time."""

    # Messages about entries that the last call of `images_by_person` skipped.
    notes: list[str]

    def images_by_person(self) -> dict[str, list[str]]:
        """Image names by identity, in any order; sets `notes`."""

    def read(self, image: str) -> bytes:
        """Content of the file of `image`. Raises InputError if it cannot be read."""


# The values of the setting data.source.
SOURCES: dict[str, type[CelebASource] | type[FolderSource]] = {
    "synthetic": CelebASource,
    "celeba": CelebASource,
    "folder": FolderSource,
}


def open_source(source: str, root: Path) -> Source:
    """Open the faces under `root` in the layout `source`, a key of SOURCES (setting data.source).

    Raises InputError if `root` is missing, empty, unreadable or of another layout, and if DVC cannot hash it because of
    a broken link or a name that is not UTF-8.
    """
    with reading(root):
        if not root.is_dir():
            expanded = Path(os.path.expanduser(root))
            if expanded != root:
                raise InputError(f"{root}: no such folder (~ is not expanded here); set data.root to {expanded}")
            raise InputError(f"{root}: no such folder; set data.root to the folder of the face images")
        if not any(root.iterdir()):
            raise InputError(f"{root}: is empty; set data.root to the folder of the face images")
        check_that_dvc_can_hash(root)
    return SOURCES[source](root)

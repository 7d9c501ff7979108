"""Where faces come from: the layouts that the setting data.source names."""

import os
from pathlib import Path
from typing import Protocol

from pfgvm.errors import InputError
from pfgvm.faces.celeba import CelebASource
from pfgvm.faces.disk import check_that_dvc_can_hash, reading
from pfgvm.faces.folder import FolderSource


class Source(Protocol):
    """Faces that can be listed by person and read one at a time."""

    # What the last call of `images_by_person` passed over, in words.
    notes: list[str]

    def images_by_person(self) -> dict[str, list[str]]:
        """Person -> names of all images of that person, in any order; sets `notes`."""

    def read(self, image: str) -> bytes:
        """The file of `image` as it lies on disk. Raises InputError where it cannot be read."""


# The values of the setting data.source.
SOURCES: dict[str, type[CelebASource] | type[FolderSource]] = {
    "synthetic": CelebASource,
    "celeba": CelebASource,
    "folder": FolderSource,
}


def open_source(source: str, root: Path) -> Source:
    """The faces under `root` in the layout that `source` (the setting data.source: a key of SOURCES) names.

    Raises InputError when `root` is missing, empty, unreadable or of another layout, and for what keeps DVC from
    hashing it: a link to nothing, a name that is not UTF-8.
    """
    with reading(root):
        if not root.is_dir():
            expanded = Path(os.path.expanduser(root))
            if expanded != root:
                raise InputError(f"{root}: no such folder (~ is not expanded here); set data.root to {expanded}")
            raise InputError(f"{root}: no such folder; set data.root to the folder that holds the faces")
        if not any(root.iterdir()):
            raise InputError(f"{root}: is empty; set data.root to the folder that holds the faces")
        check_that_dvc_can_hash(root)
    return SOURCES[source](root)

"""Select the identities and the images of each."""

import csv
import sys
from pathlib import Path

from pfgvm.faces.sources import open_source
from pfgvm.faces.subset import select_subset
from stages.common.face_archive import write_faces
from stages.common.files import atomic_write
from stages.common.program import read_settings, run


def main(*, subset: Path, faces: Path) -> None:
    """Write the names of the selected images to the CSV `subset`, and their original files to the zip `faces`."""
    settings = read_settings()
    source = open_source(settings.data.source, Path(settings.data.root))
    selection = select_subset(source, settings.subset.persons, settings.subset.images_per_person, settings.subset.seed)
    for note in selection.notes:
        print(f"note: {note}", file=sys.stderr)
    rows = [(image, person) for person, images in selection.images.items() for image in images]
    write_faces([image for image, _ in rows], source.read, faces)
    with atomic_write(subset) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("image", "person"), *sorted(rows)])


if __name__ == "__main__":
    run(main)

"""Draw images of other identities than the enrolled ones, for the recognisers' thresholds."""

from pathlib import Path

import pandas as pd

from pfgvm import seeding
from pfgvm.faces.sources import open_source
from stages.common.data_frames import read_table, write_table
from stages.common.face_archive import write_faces
from stages.common.program import read_settings, run


def main(*, subset: Path, calibration: Path, faces: Path) -> None:
    """Write the names of the drawn images to the CSV `calibration`, and their original files to the zip `faces`.

    subset: the images of the enrolled identities.
    """
    settings = read_settings()
    limits, rows = settings.evaluation.calibration, []
    source = open_source(settings.data.source, Path(settings.data.root))
    enrolled = set(read_table(subset)["person"])
    seed = settings.subset.seed
    images = {person: names for person, names in source.images_by_person().items() if person not in enrolled}
    # An identity with a single image still forms impostor pairs with the others.
    for person in seeding.shuffled(images, seed, "calibration persons")[: limits.persons]:
        drawn = seeding.shuffled(images[person], seed, "calibration images", person)
        rows += [(image, person) for image in drawn[: limits.images_per_person]]
    write_faces([image for image, _ in rows], source.read, faces)
    write_table(pd.DataFrame(sorted(rows), columns=["image", "person"]), calibration)


if __name__ == "__main__":
    run(main)

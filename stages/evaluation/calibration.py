"""Draw images of persons other than those recognised: thresholds of recognisers come from them."""

from pathlib import Path

import pandas as pd

from pfgvm import seeding
from pfgvm.faces.sources import open_source
from stages.common.data_frames import read_table, write_table
from stages.common.face_archive import write_faces
from stages.common.program import read_settings, run


def main(*, subset: Path, calibration: Path, faces: Path) -> None:
    """Write the drawn images' names to the CSV `calibration`, and their original files to the zip `faces`.

    subset: the images of the persons recognised.
    """
    settings = read_settings()
    chosen, rows = settings.evaluation.calibration, []
    source = open_source(settings.data.source, Path(settings.data.root))
    taken = set(read_table(subset)["person"])
    seed = settings.subset.seed
    images = {person: names for person, names in source.images_by_person().items() if person not in taken}
    # With a single image a person still makes pairs with the others.
    for person in seeding.shuffled(images, seed, "calibration persons")[: chosen.persons]:
        drawn = seeding.shuffled(images[person], seed, "calibration images", person)
        rows += [(image, person) for image in drawn[: chosen.images_per_person]]
    write_faces([image for image, _ in rows], source.read, faces)
    write_table(pd.DataFrame(sorted(rows), columns=["image", "person"]), calibration)


if __name__ == "__main__":
    run(main)

"""Collect other tools' versions of the attacked images in one set."""

from pathlib import Path

import numpy as np

from pfgvm.errors import InputError
from pfgvm.faces.disk import check_that_dvc_can_hash
from pfgvm.faces.external_images import matching_files, read_external, tools_folders
from pfgvm.methods import METHODS
from stages.adversarial.adversarial_set import header, row_type
from stages.adversarial.attacked_images import attacked_images
from stages.common.files import atomic_write
from stages.common.program import read_settings, run


def main(*, split: Path, external: Path, out: Path) -> None:
    """Write the images of all tools, one folder each in `external`, to `out`; without any, an empty set.

    The method is the folder's name; there is no target. split: the split of all images. Raises InputError for a folder
    with the name of a method.
    """
    check_that_dvc_can_hash(external)
    settings = read_settings()
    image_size = settings.data.image_size
    images = list(attacked_images(split, settings.attack)["image"])
    folders = tools_folders(external)
    for folder in folders:
        if folder.name in {name for method in METHODS for name in (method.key, method.label)}:
            raise InputError(f"{folder}: has the name of a method; rename the folder")
    files = [(folder.name, image, path) for folder in folders for image, path in matching_files(folder, images).items()]
    row = row_type(max((folder.name for folder in folders), key=len, default=""), "", images, [""], image_size)
    with atomic_write(out) as partial, open(partial, "wb") as file:
        file.write(header(row, len(files)))
        # One image in memory at a time.
        file.writelines(
            np.array([(name, "", "", image, "", read_external(path, image_size))], row).tobytes()
            for name, image, path in files
        )


if __name__ == "__main__":
    run(main)

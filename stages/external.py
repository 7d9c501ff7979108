"""Bring together what other tools made of the attacked images."""

from pathlib import Path

import numpy as np

from pfgvm.faces.disk import check_that_dvc_can_hash
from pfgvm.faces.external import matching_files, read_external, tools_folders
from stages.common.adversarial_set import header, row_type
from stages.common.attacked_rows import attacked_rows
from stages.common.files import atomic_write, write_nothing
from stages.common.program import read_settings, run


def main(*, split: Path, external: Path, out: Path) -> None:
    """Write the images of all tools, a folder each in `external`, to `out`.

    The method is the folder's name; there is no target. Without a folder, it says that there is nothing. split: of the
    images that could be attacked.
    """
    check_that_dvc_can_hash(external)
    settings = read_settings()
    image_size = settings.data.image_size
    images = list(attacked_rows(split, settings.attack)["image"])
    folders = tools_folders(external)
    found = [(folder.name, image, path) for folder in folders for image, path in matching_files(folder, images).items()]
    row = row_type(max((folder.name for folder in folders), key=len, default=""), "", images, [""], image_size)
    if not found:
        write_nothing(out)
        return
    with atomic_write(out) as partial, open(partial, "wb") as file:
        file.write(header(row, len(found)))
        # One picture in memory at a time.
        file.writelines(
            np.array([(name, "", "", image, "", read_external(picture, image_size))], row).tobytes()
            for name, image, picture in found
        )


if __name__ == "__main__":
    run(main)

"""Write the attacked clean faces as PNG files, for other tools to work on."""

from pathlib import Path

from PIL import Image

from pfgvm.faces.external import exported_names
from stages.common.attacked_rows import attacked_rows
from stages.common.face_archive import read_pixels
from stages.common.files import atomic_write
from stages.common.program import read_settings, run


def main(*, faces: Path, split: Path, out: Path) -> None:
    """Write the images that the attacks take, of the zip `faces` and the CSV `split`, into the folder `out`.

    At the pipeline's size, and under the names by which `data/external/` matches what comes back.
    """
    settings = read_settings()
    images = list(attacked_rows(split, settings.attack)["image"])
    for image, name in exported_names(images).items():
        [pixels] = read_pixels(faces, [image], settings.data.image_size)
        with atomic_write(out / f"{name}.png") as partial:
            Image.fromarray(pixels.transpose(1, 2, 0)).save(partial, "PNG")
    print(f"{len(images)} faces in {out}; put what a tool makes of them into data/external/NAME/, under the same names")


if __name__ == "__main__":
    run(main)

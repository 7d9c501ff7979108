"""Write the attacked clean faces as PNG files for other tools (make export).

The images have the pipeline's size, and the names under which `data/external/` matches other tools' results. The
pipeline must have run, and the output folder must not contain other files.
"""

from pathlib import Path

from PIL import Image

from pfgvm.errors import InputError
from pfgvm.faces.external_images import exported_names
from stages.adversarial.attacked_images import attacked_images
from stages.common.face_archive import read_pixels
from stages.common.files import atomic_write
from stages.common.program import read_settings, run


def main(*, faces: Path, split: Path, out: Path) -> None:
    """Write the attacked images of the zip `faces` and the CSV `split` as PNG files to the folder `out`."""

    settings = read_settings()
    for path in (faces, split):
        if not path.exists():
            raise InputError(f"{path}: does not exist yet; run `dvc repro split` first")
    images = list(attacked_images(split, settings.attack)["image"])
    files = {image: out / f"{name}.png" for image, name in exported_names(images).items()}
    out.mkdir(parents=True, exist_ok=True)
    existing = {path for path in out.rglob("[!.]*") if not path.is_dir()}
    others = sorted(existing - set(files.values()))
    if others:
        raise InputError(f"{out}: contains {len(others)} other files, such as {others[0]}; name a new folder")
    for image, file in files.items():
        [pixels] = read_pixels(faces, [image], settings.data.image_size)
        with atomic_write(file) as partial:
            Image.fromarray(pixels.transpose(1, 2, 0)).save(partial, "PNG")
    print(f"{len(images)} faces in {out}; put a tool's versions of them into data/external/NAME/ under the same names")


if __name__ == "__main__":
    run(main)

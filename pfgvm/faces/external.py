"""Images by other tools: one folder a tool, the same file names but for their endings."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pfgvm.errors import InputError
from pfgvm.faces.images import decode


def exported_names(images: Sequence[str]) -> dict[str, str]:
    """Under which name each of `images` is given to other tools, without its ending: image to path.

    The name without its ending; the whole name where two images would share it.
    """
    stems = [str(Path(image).with_suffix("")) for image in images]
    return {image: image if stems.count(stem) > 1 else stem for image, stem in zip(images, stems, strict=True)}


def tools_folders(root: Path) -> list[Path]:
    """The tools' folders in `root`, by name; hidden ones are passed over."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def matching_files(folder: Path, images: Sequence[str]) -> dict[str, Path]:
    """Which file of `folder`, a tool's, is made of which of `images`: image to file.

    What is missing, and files that go with no image, are named on standard error. Raises InputError where nothing
    matches, and where two files go with one image.
    """
    wanted = {name: image for image, name in exported_names(images).items()}
    found: dict[str, Path] = {}
    extra = []
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name.startswith("."):
            continue
        image = wanted.get(str(path.relative_to(folder).with_suffix("")))
        if image is None:
            extra.append(str(path.relative_to(folder)))
        elif image in found:
            raise InputError(f"{folder}: {found[image].name} and {path.name} go with one image; remove one of them")
        else:
            found[image] = path
    if not found:
        raise InputError(
            f"{folder}: none of its {len(extra)} files has the name of an attacked image; `make export DIR=…` writes "
            "these images under the names to keep"
        )
    for what, names in (("no file for", [image for image in images if image not in found]), ("no image for", extra)):
        if names:
            shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            print(f"note: {folder}: {what} {shown}: passed over", file=sys.stderr)
    return {image: found[image] for image in images if image in found}


def read_external(path: Path, image_size: tuple[int, int]) -> np.ndarray:
    """The picture in the file `path`: float32 in [0, 1], (3, H, W). InputError where it is not of `image_size`."""
    picture = decode(path.read_bytes(), str(path))
    height, width = image_size
    if picture.size != (width, height):
        raise InputError(
            f"{path}: is {picture.width} x {picture.height} pixels, not {width} x {height}; give the tool's picture of "
            "the exported one without scaling it, or remove it"
        )
    return np.asarray(picture, np.float32).transpose(2, 0, 1) / np.float32(255)

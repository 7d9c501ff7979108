"""Images made by other tools: one folder per tool, with the exported names and any extension."""

import collections
import itertools
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pfgvm.errors import InputError
from pfgvm.faces.disk import content, suffix
from pfgvm.faces.images import decode, image_suffixes


def exported_names(images: Sequence[str]) -> dict[str, str]:
    """Export name of each of `images`, without extension: image to path.

    The image name without its extension; the full name if two images would share it; with a number appended if they
    would still share it. Names that differ only in case or in Unicode normalisation count as equal, as on the file
    systems of macOS and Windows.
    """
    full: set[str] = set()
    while True:
        names = {image: image if image in full else str(Path(image).with_suffix("")) for image in images}
        shared = _shared(names)
        if shared <= full:
            break
        full |= shared
    taken = {_key(name) for image, name in names.items() if image not in shared}
    for image in sorted(shared):
        names[image] = next(name for n in itertools.count(1) if _key(name := f"{image}~{n}") not in taken)
        taken.add(_key(names[image]))
    return names


def _shared(names: dict[str, str]) -> set[str]:
    """Images whose name is not unique."""
    count = collections.Counter(map(_key, names.values()))
    return {image for image, name in names.items() if count[_key(name)] > 1}


def _key(name: str) -> str:
    return _composed(name).casefold()


def _composed(name: str) -> str:
    """`name` in normal form C; macOS and its archives use decomposed letters."""
    return unicodedata.normalize("NFC", name)


def tools_folders(root: Path) -> list[Path]:
    """Folders of the tools in `root`, sorted by name, without hidden ones."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def matching_files(folder: Path, images: Sequence[str]) -> dict[str, Path]:
    """Match the files in `folder`, of one tool, to `images` by name: image to file.

    Missing images, files that are no images, and files without a matching image are listed on standard error.
    Raises InputError if no file matches, or if two files match one image.
    """
    image_of = {_composed(name): image for image, name in exported_names(images).items()}
    files: dict[str, Path] = {}
    unmatched, others = [], []
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name.startswith("."):
            continue
        name = str(path.relative_to(folder))
        image = image_of.get(_composed(str(Path(name).with_suffix(""))))
        if suffix(path.name) not in image_suffixes():
            others.append(name)
        elif image is None:
            unmatched.append(name)
        elif image in files:
            raise InputError(f"{folder}: {files[image].name} and {path.name} match the same image; remove one of them")
        else:
            files[image] = path
    if not files:
        raise InputError(
            f"{folder}: none of its {len(unmatched)} images has the name of an attacked image; keep the names that "
            "`make export DIR=…` writes"
        )
    missing = [image for image in images if image not in files]
    for what, names in (("no file for", missing), ("no image for", unmatched), ("not an image:", others)):
        if names:
            shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            print(f"note: {folder}: {what} {shown}: skipped", file=sys.stderr)
    return {image: files[image] for image in images if image in files}


def read_external(path: Path, image_size: tuple[int, int]) -> np.ndarray:
    """Image in the file `path`, (3, H, W), float32 in [0, 1]. Raises InputError if it is not of `image_size`."""
    image = decode(content(path), str(path))
    height, width = image_size
    if image.size != (width, height):
        raise InputError(
            f"{path}: is {image.width} x {image.height} pixels, not {width} x {height}; apply the tool to the exported "
            "image without scaling it, or remove the file"
        )
    return np.asarray(image, np.float32).transpose(2, 0, 1) / np.float32(255)

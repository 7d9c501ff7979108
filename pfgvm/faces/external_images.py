"""Images by other tools: one folder a tool, the same file names but for their endings."""

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
    """Under which name each of `images` is given to other tools, without its ending: image to path.

    The name without its ending; the whole name where two images would share it; that with a number behind it where
    they would share this too. Names count as one where they differ in capitals or in Unicode's forms of a letter
    alone, as on the file systems of macOS and Windows.
    """
    whole: set[str] = set()
    while True:
        names = {image: image if image in whole else str(Path(image).with_suffix("")) for image in images}
        shared = _shared(names)
        if shared <= whole:
            break
        whole |= shared
    taken = {_key(name) for image, name in names.items() if image not in shared}
    for image in sorted(shared):
        names[image] = next(name for n in itertools.count(1) if _key(name := f"{image}~{n}") not in taken)
        taken.add(_key(names[image]))
    return names


def _shared(names: dict[str, str]) -> set[str]:
    """The images whose name another one has too."""
    count = collections.Counter(map(_key, names.values()))
    return {image for image, name in names.items() if count[_key(name)] > 1}


def _key(name: str) -> str:
    return _composed(name).casefold()


def _composed(name: str) -> str:
    """`name` in the form in which most keyboards write it; macOS, and archives made there, take letters apart."""
    return unicodedata.normalize("NFC", name)


def tools_folders(root: Path) -> list[Path]:
    """The tools' folders in `root`, by name; hidden ones are passed over."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def matching_files(folder: Path, images: Sequence[str]) -> dict[str, Path]:
    """Which image of `folder`, a tool's, is made of which of `images`: image to file.

    What is missing, files that are no images, and images that go with no image are named on standard error.
    Raises InputError where nothing matches, and where two images go with one image.
    """
    wanted = {_composed(name): image for image, name in exported_names(images).items()}
    found: dict[str, Path] = {}
    extra, others = [], []
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name.startswith("."):
            continue
        name = str(path.relative_to(folder))
        image = wanted.get(_composed(str(Path(name).with_suffix(""))))
        if suffix(path.name) not in image_suffixes():
            others.append(name)
        elif image is None:
            extra.append(name)
        elif image in found:
            raise InputError(f"{folder}: {found[image].name} and {path.name} go with one image; remove one of them")
        else:
            found[image] = path
    if not found:
        raise InputError(
            f"{folder}: none of its {len(extra)} images has the name of an attacked image; `make export DIR=…` "
            "writes these images under the names to keep"
        )
    missing = [image for image in images if image not in found]
    for what, names in (("no file for", missing), ("no image for", extra), ("no images:", others)):
        if names:
            shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            print(f"note: {folder}: {what} {shown}: passed over", file=sys.stderr)
    return {image: found[image] for image in images if image in found}


def read_external(path: Path, image_size: tuple[int, int]) -> np.ndarray:
    """The image in the file `path`: float32 in [0, 1], (3, H, W). InputError where it is not of `image_size`."""
    image = decode(content(path), str(path))
    height, width = image_size
    if image.size != (width, height):
        raise InputError(
            f"{path}: is {image.width} x {image.height} pixels, not {width} x {height}; give the tool's image of "
            "the exported one without scaling it, or remove it"
        )
    return np.asarray(image, np.float32).transpose(2, 0, 1) / np.float32(255)

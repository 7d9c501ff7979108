"""The selected faces as one zip file, and their pixels."""

import functools
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from pfgvm.faces.images import decode, to_size
from stages.common.files import atomic_write


def write_faces(images: Iterable[str], read: Callable[[str], bytes], path: Path) -> None:
    """Write the files of the names `images` to one zip; the bytes do not depend on the machine or the order.

    read: returns the file of a name. One file is in memory at a time.
    """
    with atomic_write(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name in sorted(images):
            archive.writestr(zipfile.ZipInfo(name), read(name))


def read_pixels(faces: Path, images: Sequence[str], image_size: tuple[int, int]) -> np.ndarray:
    """Read the `images` of the zip `faces` at `image_size` (height, width): uint8, (n, 3, H, W)."""
    archive = _archive(faces, faces.stat().st_mtime_ns)
    return np.stack([to_size(decode(archive.read(image), image), image_size) for image in images])


@functools.lru_cache(maxsize=1)
def _archive(path: Path, changed: int) -> zipfile.ZipFile:
    # Reading the list of 200,000 images anew for each batch takes longer than the batch itself.
    return zipfile.ZipFile(path)


def read_images(faces: Path, images: Sequence[str], image_size: tuple[int, int]) -> np.ndarray:
    """Read the `images` of the zip `faces` at `image_size` (height, width): float32 in [0, 1], (n, 3, H, W)."""
    return read_pixels(faces, images, image_size).astype(np.float32) / np.float32(255)

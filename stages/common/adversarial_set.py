"""The de-identified images of one method on one model, as a file."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def read_set(path: Path) -> np.ndarray:
    """The set in the file `path` (see `row_type`), read from disk where it is looked at."""
    return np.load(path, mmap_mode="r")


def row_type(
    label: str, seen_by: str, images: Sequence[str], persons: Sequence[str], image_size: tuple[int, int]
) -> np.dtype:
    """One row of a set's file.

    `method`, what tables call it; `model`, on which the image was made, or "" where every model's would be the same;
    `seen_by`, the face descriptors that the method had before it, alone or in that model, with commas between them;
    `image`; its `target` person; and the `pixels`, float32 in [0, 1], (3, H, W).
    """
    return np.dtype(
        [
            ("method", f"U{len(label)}"),
            ("model", "U1"),
            ("seen_by", f"U{len(seen_by)}"),
            ("image", f"U{max(map(len, images))}"),
            ("target", f"U{max(map(len, persons))}"),
            ("pixels", np.float32, (3, *image_size)),
        ]
    )


def header(row: np.dtype, count: int) -> bytes:
    """What comes before `count` rows in a file that numpy.load reads."""
    file = io.BytesIO()
    array = {"descr": np.lib.format.dtype_to_descr(row), "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, array)
    return file.getvalue()

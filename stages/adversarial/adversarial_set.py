"""The de-identified images of one method on one model, as a file."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def read_set(path: Path) -> np.ndarray:
    """The set in the file `path` (see `row_type`), read from disk where it is looked at."""
    return np.load(path, mmap_mode="r")


def row_type(
    method: str, seen_by: str, images: Sequence[str], persons: Sequence[str], image_size: tuple[int, int]
) -> np.dtype:
    """One row of a set's file.

    `method`, its key; `model`, on which the image was made, or "" where every model's would be the same; `seen_by`, the
    face descriptors that the method attacked, alone or in that model, with commas between them; `image`; its `target`
    person, "" without one; and the `pixels`, float32 in [0, 1], (3, H, W).

    The arguments are the longest texts that the fields hold, or all of them; image_size: height, width.
    """
    return np.dtype(
        [
            ("method", f"U{len(method)}"),
            ("model", "U1"),
            ("seen_by", f"U{len(seen_by)}"),
            ("image", f"U{max(map(len, images), default=1)}"),
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

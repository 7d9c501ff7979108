"""The file of an adversarial set: the de-identified images of one method on one model."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def read_set(path: Path) -> np.ndarray:
    """Open the set in the file `path` (see `row_type`), memory-mapped."""
    return np.load(path, mmap_mode="r")


def row_type(
    method: str,
    seen_by: str,
    images: Sequence[str],
    persons: Sequence[str],
    image_size: tuple[int, int],
    *,
    displaces: bool = False,
) -> np.dtype:
    """Define one row of a set's file.

    The fields: `method`, its key; `model`, the attacked model, "" without one; `seen_by`, the attacked face
    descriptors, alone or in that model, separated by commas; `image`; `target`, an identity, "" without one; `pixels`,
    float32 in [0, 1], (3, H, W). For a method that displaces pixels also `displacement`, float32, (2, H, W), as in
    `ShapeAndLight`.

    The arguments are the values of the fields, or the longest of them; image_size: height, width.
    """
    return np.dtype(
        [
            ("method", f"U{len(method)}"),
            ("model", "U1"),
            ("seen_by", f"U{len(seen_by)}"),
            ("image", f"U{max(map(len, images), default=1)}"),
            ("target", f"U{max(map(len, persons))}"),
            ("pixels", np.float32, (3, *image_size)),
            *([("displacement", np.float32, (2, *image_size))] if displaces else []),
        ]
    )


def header(row: np.dtype, count: int) -> bytes:
    """Build the header of a .npy file of `count` rows."""
    file = io.BytesIO()
    array = {"descr": np.lib.format.dtype_to_descr(row), "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, array)
    return file.getvalue()

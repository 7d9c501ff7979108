"""The data of the pages' face viewers: which images are embedded, and their scores."""

import io
from base64 import b64encode
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from pfgvm import seeding
from pfgvm.methods import PAPER_METHODS
from pfgvm.report.table_data import as_records

# The stored value of a difference of 0: small differences of either sign are neighbouring values.
ZERO = 128
# For iterates from noise, which would dominate the page's size if stored exactly. Without chroma subsampling, since the
# noise is coloured.
_LOSSY = {"quality": 90, "subsampling": 0}
_OF_ROW = [
    "target", "predicted_clean", "predicted", "confidence_clean", "confidence", "l2", "mssim",
]  # fmt: skip


def difference(clean: np.ndarray, protected: np.ndarray) -> np.ndarray:
    """`protected` minus `clean`, both uint8, modulo 256 with 0 at ZERO: exact, and small when compressed."""
    return protected - clean + np.uint8(ZERO)


def png(pixels: np.ndarray) -> bytes:
    """uint8 pixels, (3, H, W), as a PNG file."""
    return _encoded(pixels, "PNG", optimize=True)


def embedded(pixels: np.ndarray, *, exact: bool = True) -> str:
    """uint8 pixels, (3, H, W), as a data URL: lossless WebP, or JPEG if not `exact`."""
    content = _encoded(pixels, "WEBP", lossless=True) if exact else _encoded(pixels, "JPEG", **_LOSSY)
    return f"data:image/{'webp' if exact else 'jpeg'};base64,{b64encode(content).decode()}"


def _encoded(pixels: np.ndarray, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(buffer, file_format, **options)
    return buffer.getvalue()


def in_turn(scores: pd.DataFrame, first: Sequence[str], seed: int) -> list[str]:
    """All attacked images in the order in which a page embeds them.

    After `first`, for each model, the images with the lowest and the highest MSSIM under P-FGVM; then in turn one of
    every model, method and outcome, in an order drawn by (seed, name). scores: rows of the 8-bit images, metrics as
    numbers.
    """
    proposed = scores[scores["method"] == PAPER_METHODS[0]].sort_values(["mssim", "image"])
    ends = [image for _, rows in proposed.groupby("model") for image in (rows["image"].iloc[0], rows["image"].iloc[-1])]
    outcomes = [scores["model"], scores["method"], scores["predicted"] != scores["person"]]
    groups = [seeding.shuffled(rows["image"], seed, "page", *map(str, key)) for key, rows in scores.groupby(outcomes)]
    drawn = [image for turn in zip_longest(*groups) for image in turn if image]
    return list(dict.fromkeys([*first, *ends, *drawn]))


def of_image(image: str, scores: pd.DataFrame, recognised: pd.DataFrame | None) -> Iterator[dict[str, Any]]:
    """The viewer's data of `image` for each model and method: a row of `scores` and the recognition results.

    scores: rows of the 8-bit images. recognised: RECOGNISED_IMAGES_COLUMNS of pfgvm.evaluation.findings.per_identity,
    numbers as numbers; None without recognisers. A row's `recognised` has by recogniser [TMR clean, TMR protected, rank
    clean, rank protected]: the share of the identity's other images that match, and the rank of the identity.
    """
    measures = ["tmr_clean", "tmr_protected", "rank_clean", "rank_protected"]
    by_set: dict[tuple[str, str], dict[str, list]] = {}
    for row in [] if recognised is None else as_records(recognised[recognised["image"] == image]):
        by_set.setdefault((row["model"], row["method"]), {})[row["recogniser"]] = [row[name] for name in measures]
    for row in as_records(scores[scores["image"] == image]):
        key = (row["model"], row["method"])
        yield {"model": key[0], "method": key[1], "recognised": by_set.get(key, {}), **{n: row[n] for n in _OF_ROW}}


def chosen_note(shown: int, attacked: int) -> str:
    """A note on which of the attacked images are on the page."""
    if shown == attacked:
        return f"All {attacked} attacked images."
    return (
        f"{shown} of the {attacked} attacked images: for each model those with the lowest and the highest MSSIM under "
        f"{PAPER_METHODS[0]}. The others are a random draw over models, methods and outcomes. The folder faces next to "
        "this page has all images."
    )

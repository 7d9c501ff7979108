"""Faces to look at on the page: which images it holds, and what it shows of each."""

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

# What a difference of 0 is stored as: small changes of either sign are then neighbouring values.
ZERO = 128
# Of an iterate from noise, which to the bit would take as much room as an image's other pictures together. Its colours
# at full size, since the noise is coloured.
_NEARLY = {"quality": 90, "subsampling": 0}
_OF_ROW = [
    "target", "predicted_clean", "predicted", "confidence_clean", "confidence", "l2", "mssim",
]  # fmt: skip


def difference(clean: np.ndarray, protected: np.ndarray) -> np.ndarray:
    """`protected` less `clean`, both uint8, as uint8 modulo 256 with 0 at ZERO: exact, and small as a file."""
    return protected - clean + np.uint8(ZERO)


def png(pixels: np.ndarray) -> bytes:
    """uint8 pixels, (3, H, W), as a PNG file."""
    return _encoded(pixels, "PNG", optimize=True)


def embedded(pixels: np.ndarray, *, exact: bool = True) -> str:
    """uint8 pixels, (3, H, W), as the address of a picture that holds it itself (data:…), to the bit or nearly."""
    content = _encoded(pixels, "WEBP", lossless=True) if exact else _encoded(pixels, "JPEG", **_NEARLY)
    return f"data:image/{'webp' if exact else 'jpeg'};base64,{b64encode(content).decode()}"


def _encoded(pixels: np.ndarray, form: str, **how: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(buffer, form, **how)
    return buffer.getvalue()


def in_turn(scores: pd.DataFrame, first: Sequence[str], seed: int) -> list[str]:
    """All attacked images, those first that the page holds first.

    After `first` come, of each model, the images that P-FGVM changed most and least by MSSIM; then in turn one of every
    model, method and outcome, in an order drawn by (seed, name). scores: rows of the 8-bit pictures, metrics numbers.
    """
    proposed = scores[scores["method"] == PAPER_METHODS[0]].sort_values(["mssim", "image"])
    ends = [image for _, rows in proposed.groupby("model") for image in (rows["image"].iloc[0], rows["image"].iloc[-1])]
    outcomes = [scores["model"], scores["method"], scores["predicted"] != scores["person"]]
    groups = [seeding.shuffled(rows["image"], seed, "page", *map(str, key)) for key, rows in scores.groupby(outcomes)]
    drawn = [image for turn in zip_longest(*groups) for image in turn if image]
    return list(dict.fromkeys([*first, *ends, *drawn]))


def of_image(image: str, scores: pd.DataFrame, recognised: pd.DataFrame | None) -> Iterator[dict[str, Any]]:
    """What the viewer says of `image` under each model and method: a row of `scores`, and what recognisers give.

    scores: rows of the 8-bit images. recognised: RECOGNISED_IMAGES_COLUMNS of pfgvm.evaluation.findings.per_identity,
    numbers as numbers; None where no recogniser was asked. A row's `recognised` holds, for each recogniser, the share
    of the person's other images that match and the person's rank, before and after.
    """
    measures = ["tmr_clean", "tmr_protected", "rank_clean", "rank_protected"]
    said: dict[tuple[str, str], dict[str, list]] = {}
    for row in [] if recognised is None else as_records(recognised[recognised["image"] == image]):
        said.setdefault((row["model"], row["method"]), {})[row["recogniser"]] = [row[name] for name in measures]
    for row in as_records(scores[scores["image"] == image]):
        key = (row["model"], row["method"])
        yield {"model": key[0], "method": key[1], "recognised": said.get(key, {}), **{n: row[n] for n in _OF_ROW}}


def chosen_note(shown: int, attacked: int) -> str:
    """In words, which of the attacked images the page holds."""
    if shown == attacked:
        return f"All {attacked} attacked images."
    return (
        f"{shown} of the {attacked} attacked images: of each model those that {PAPER_METHODS[0]} changed most and "
        "least, then in turn one of every model, method and outcome, drawn by name. All of them lie in the folder "
        "faces beside this page."
    )

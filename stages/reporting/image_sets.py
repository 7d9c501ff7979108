"""The images of adversarial sets as people look at them: files, and what a page's viewer shows."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pfgvm.faces.images import to_8bit
from pfgvm.methods import key_of, label_of
from pfgvm.report import viewer
from stages.adversarial.adversarial_set import read_set
from stages.common.files import atomic_write

MEGABYTE = 1_000_000


class ImageSet(NamedTuple):
    """The images of one method: their file, the row of each image in it, and the folder that they are written into.

    model: "" where no model was attacked. method: its label.
    """

    model: str
    method: str
    path: Path
    places: dict[str, int]
    folder: str

    def pixels(self, image: str) -> np.ndarray:
        """The 8-bit pixels of `image`, (3, H, W)."""
        return to_8bit(read_set(self.path)[self.places[image]]["pixels"])


def image_sets(paths: Sequence[Path]) -> list[ImageSet]:
    """The sets in the files `paths`, method by method."""
    found = []
    for path in paths:
        rows = read_set(path)
        methods = list(dict.fromkeys(rows["method"].tolist()))
        for key in methods:
            own = np.flatnonzero(rows["method"] == key).tolist()
            places = dict(zip(rows["image"][own].tolist(), own, strict=True))
            # The file of other tools' images holds several methods.
            folder = f"{path.parent.name}/{key}"
            found.append(ImageSet(str(rows["model"][own[0]]), label_of(key), path, places, folder))
    return found


def sets_of(scores: pd.DataFrame, folder: Path) -> list[Path]:
    """The files in `folder`, one a model and method, of the sets that `scores` names; nothing else there counts."""
    named = scores[["model", "method"]].drop_duplicates().itertuples(index=False)
    return [folder / model / f"{key_of(method)}.npy" for model, method in named]


def write_image(pixels: np.ndarray, path: Path) -> None:
    """Write uint8 pixels, (3, H, W), to `path` as PNG."""
    with atomic_write(path) as partial:
        partial.write_bytes(viewer.png(pixels))


def fitting_entries(
    images: Iterable[str], entry: Callable[[str], dict[str, Any]], megabytes: float
) -> list[dict[str, Any]]:
    """What a page holds of `images`: the entry of each in turn, until as JSON they would exceed `megabytes`."""
    entries, room = [], megabytes * MEGABYTE
    for image in images:
        entries.append(entry(image))
        room -= len(json.dumps(entries[-1]))
        if room < 0:
            return entries[:-1]
    return entries


def shown_image(
    image: str, clean: np.ndarray, published: pd.DataFrame, recognised: pd.DataFrame | None, sets: Sequence[ImageSet]
) -> dict[str, Any]:
    """What a viewer shows of one image: the clean one, each set's difference from it, and predictions on them.

    published: the scores of 8-bit images. recognised: RECOGNISED_IMAGES_COLUMNS; None where no recogniser was asked.
    """
    having = [each for each in sets if image in each.places]
    rows = list(viewer.of_image(image, published, recognised))
    for row in rows:
        row["change"] = next(
            each.folder for each in having if row["method"] == each.method and each.model in ("", row["model"])
        )
    [own] = published.loc[published["image"] == image, ["person", "split"]].drop_duplicates().to_dict("records")
    return {
        "name": image,
        **own,
        "clean": viewer.embedded(clean),
        "rows": rows,
        "changes": {each.folder: viewer.embedded(viewer.difference(clean, each.pixels(image))) for each in having},
    }

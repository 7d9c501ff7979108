"""The images of adversarial sets as PNG files and as entries of a page's viewer."""

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
    """The images of one method: their file, the row of each image in it, and the folder of their PNG files.

    model: "" without an attacked model. method: its label.
    """

    model: str
    method: str
    path: Path
    places: dict[str, int]
    folder: str

    def pixels(self, image: str) -> np.ndarray:
        """Read the 8-bit pixels of `image`, (3, H, W)."""
        return to_8bit(read_set(self.path)[self.places[image]]["pixels"])


def image_sets(paths: Sequence[Path]) -> list[ImageSet]:
    """List the sets in the files `paths`, method by method."""
    sets = []
    for path in paths:
        rows = read_set(path)
        methods = list(dict.fromkeys(rows["method"].tolist()))
        for key in methods:
            indices = np.flatnonzero(rows["method"] == key).tolist()
            places = dict(zip(rows["image"][indices].tolist(), indices, strict=True))
            # The file of other tools' images contains several methods.
            folder = f"{path.parent.name}/{key}"
            sets.append(ImageSet(str(rows["model"][indices[0]]), label_of(key), path, places, folder))
    return sets


def sets_of(scores: pd.DataFrame, folder: Path) -> list[Path]:
    """List the files in `folder` of the sets in `scores`, one per model and method."""
    pairs = scores[["model", "method"]].drop_duplicates().itertuples(index=False)
    return [folder / model / f"{key_of(method)}.npy" for model, method in pairs]


def write_image(pixels: np.ndarray, path: Path) -> None:
    """Write uint8 pixels, (3, H, W), to `path` as PNG."""
    with atomic_write(path) as partial:
        partial.write_bytes(viewer.png(pixels))


def fitting_entries(
    images: Iterable[str], entry: Callable[[str], dict[str, Any]], megabytes: float
) -> list[dict[str, Any]]:
    """Collect the entries of `images` in order until, as JSON, they would exceed `megabytes`."""
    entries, bytes_left = [], megabytes * MEGABYTE
    for image in images:
        entries.append(entry(image))
        bytes_left -= len(json.dumps(entries[-1]))
        if bytes_left < 0:
            return entries[:-1]
    return entries


def shown_image(
    image: str, clean: np.ndarray, published: pd.DataFrame, recognised: pd.DataFrame | None, sets: Sequence[ImageSet]
) -> dict[str, Any]:
    """Build a viewer's entry of one image: the clean image, each set's perturbation, and the predictions.

    published: the scores of 8-bit images. recognised: RECOGNISED_IMAGES_COLUMNS, or None without recognisers.
    """
    containing = [x for x in sets if image in x.places]
    rows = list(viewer.of_image(image, published, recognised))
    for row in rows:
        row["change"] = next(
            x.folder for x in containing if row["method"] == x.method and x.model in ("", row["model"])
        )
    [identity_and_split] = (
        published.loc[published["image"] == image, ["person", "split"]].drop_duplicates().to_dict("records")
    )
    return {
        "name": image,
        **identity_and_split,
        "clean": viewer.embedded(clean),
        "rows": rows,
        "changes": {x.folder: viewer.embedded(viewer.difference(clean, x.pixels(image))) for x in containing},
    }

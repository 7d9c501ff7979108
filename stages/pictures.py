"""All faces as pictures to look at, and those that the page holds itself."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pfgvm.faces.external import exported_names
from pfgvm.faces.images import to_8bit
from pfgvm.report import viewer
from pfgvm.report.figures import AMPLIFICATION, chosen_examples
from pfgvm.settings import MODEL_NAMES
from stages.common.adversarial_set import read_set
from stages.common.data_frames import read_numbers
from stages.common.face_archive import read_pixels
from stages.common.files import atomic_write, holds_nothing
from stages.common.program import read_settings, run

MEGABYTE = 1_000_000


class ImageSet(NamedTuple):
    """The images of one method: their file, which of its rows each is, and the folder of their pictures."""

    model: str
    """"" where every model's would be the same."""
    method: str
    path: Path
    places: dict[str, int]
    folder: str

    def picture(self, image: str) -> np.ndarray:
        """The 8-bit picture of `image`, (3, H, W)."""
        return to_8bit(read_set(self.path)[self.places[image]]["pixels"])


def main(
    *, scores: Path, recognised: Path, faces: Path, adversarial: Path, trajectories: Path, out: Path, shown: Path
) -> None:
    """Write every attacked image, clean and de-identified, as a PNG file into the folder `out`.

    And to `shown`, as JSON, what the page needs to show some of them: as many as page.faces_mb allows. scores: of all
    sets. recognised: what recognisers say of each image. faces: the zip of the originals. adversarial, trajectories:
    the folders of the sets and of Figure 2's iterates.
    """
    settings = read_settings()
    size = settings.data.image_size
    scored = read_numbers(scores)
    published = scored[scored["pixels"] == "8bit"]
    said = read_numbers(recognised)
    names = exported_names(sorted(published["image"].unique()))
    sets = read_sets(adversarial)

    def clean(image: str) -> np.ndarray:
        [pixels] = read_pixels(faces, [image], size)
        return pixels

    # DVC clears it beforehand, Snakemake does not.
    shutil.rmtree(out, ignore_errors=True)
    for image, name in names.items():
        write_picture(clean(image), out / "clean" / f"{name}.png")
    for one in sets:
        for image in one.places:
            write_picture(one.picture(image), out / one.folder / f"{names[image]}.png")

    examples = chosen_examples(scored, MODEL_NAMES[0], count=1).to_dict("records")
    entries, room = [], settings.page.faces_mb * MEGABYTE
    for image in viewer.in_turn(published, [row["image"] for row in examples], settings.attack.seed):
        entry = shown_image(image, clean(image), published, said, sets)
        room -= len(json.dumps(entry))
        if room < 0:
            break
        entries.append(entry)
    content = {
        "note": viewer.chosen_note(len(entries), len(names)),
        "images": entries,
        "evolution": {path.stem: evolution(path, clean) for path in sorted(trajectories.glob("*.npy"))},
        "example": [example(row, clean(row["image"]), sets) for row in examples],
    }
    with atomic_write(shown) as partial:
        partial.write_text(json.dumps(content, ensure_ascii=False) + "\n", "utf-8")


def read_sets(adversarial: Path) -> list[ImageSet]:
    """The sets in the folder `adversarial`, method by method; what was not asked for is left out."""
    found = []
    for path in sorted(adversarial.glob("*/*.npy")):
        if holds_nothing(path):
            continue
        rows = read_set(path)
        methods = dict.fromkeys(rows["method"].tolist())
        for method in methods:
            own = np.flatnonzero(rows["method"] == method).tolist()
            places = dict(zip(rows["image"][own].tolist(), own, strict=True))
            # A file of several methods holds other tools' images, by the names of their folders.
            folder = f"{path.parent.name}/{path.stem}" + (f"/{method}" if path.stem == "external" else "")
            found.append(ImageSet(str(rows["model"][own[0]]), method, path, places, folder))
    return found


def write_picture(pixels: np.ndarray, path: Path) -> None:
    """Write uint8 pixels, (3, H, W), to `path` as PNG."""
    with atomic_write(path) as partial:
        partial.write_bytes(viewer.png(pixels))


def shown_image(
    image: str, clean: np.ndarray, published: pd.DataFrame, said: pd.DataFrame, sets: list[ImageSet]
) -> dict[str, Any]:
    """What the page shows of one image: the clean picture, each set's difference from it, and what is said of it."""
    having = [one for one in sets if image in one.places]
    rows = list(viewer.of_image(image, published, said))
    for row in rows:
        row["change"] = next(
            one.folder for one in having if row["method"] == one.method and one.model in ("", row["model"])
        )
    [own] = published.loc[published["image"] == image, ["person", "split"]].drop_duplicates().to_dict("records")
    return {
        "name": image,
        **own,
        "clean": viewer.embedded(clean),
        "rows": rows,
        "changes": {one.folder: viewer.embedded(viewer.difference(clean, one.picture(image))) for one in having},
    }


def evolution(trajectory: Path, clean: Callable[[str], np.ndarray]) -> dict[str, Any]:
    """What the page shows of one model's start from noise: an image, its name, and its picture after each of the steps.

    clean: an image's name to its picture.
    """
    iterates = np.load(trajectory)
    image = str(iterates["image"][0])
    frames = [viewer.embedded(to_8bit(pixels), exact=False) for pixels in iterates["pixels"]]
    steps = iterates["step"].tolist()
    return {"image": image, "clean": viewer.embedded(clean(image), exact=False), "steps": steps, "frames": frames}


def example(row: dict[str, Any], clean: np.ndarray, sets: list[ImageSet]) -> dict[str, Any]:
    """The page's first pictures, of the image and method in `row` of the scores: clean, protected and the change."""
    [own] = [one for one in sets if (one.model, one.method) == (row["model"], row["method"])]
    protected = own.picture(row["image"])
    change = np.abs(protected.astype(int) - clean) * AMPLIFICATION
    pictures = {"clean": clean, "protected": protected, "change": change.clip(0, 255).astype(np.uint8)}
    words = {name: row[name] for name in ("image", "model", "method", "person", "predicted")}
    return words | {name: viewer.embedded(pixels) for name, pixels in pictures.items()}


if __name__ == "__main__":
    run(main)

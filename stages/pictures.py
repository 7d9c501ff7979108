"""Write all faces as PNG files, and select those that are embedded in the page."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pfgvm.faces.external_images import exported_names
from pfgvm.faces.images import to_8bit
from pfgvm.report import viewer
from pfgvm.report.paper_figures import AMPLIFICATION, chosen_examples
from pfgvm.settings import MODEL_NAMES
from stages.common.data_frames import read_numbers
from stages.common.face_archive import read_pixels
from stages.common.files import atomic_write
from stages.common.program import read_settings, run
from stages.reporting.image_sets import ImageSet, fitting_entries, image_sets, sets_of, shown_image, write_image


def main(*, scores: Path, faces: Path, adversarial: Path, trajectories: Path, out: Path, shown: Path) -> None:
    """Write every attacked image, clean and de-identified, as a PNG file to the folder `out`.

    shown: the JSON file with the embedded images, at most page.faces_mb megabytes. scores: the scores of all sets.
    faces: the zip of the originals. adversarial, trajectories: the folders of the sets and of Figure 2's iterates.
    """
    settings = read_settings()
    size = settings.data.image_size
    scored = read_numbers(scores)
    published = scored[scored["pixels"] == "8bit"]
    names = exported_names(sorted(published["image"].unique()))
    sets = image_sets(sets_of(scored, adversarial))

    def clean(image: str) -> np.ndarray:
        [pixels] = read_pixels(faces, [image], size)
        return pixels

    # DVC clears the folder beforehand, Snakemake does not.
    shutil.rmtree(out, ignore_errors=True)
    for image, name in names.items():
        write_image(clean(image), out / "clean" / f"{name}.png")
    for image_set in sets:
        for image in image_set.places:
            write_image(image_set.pixels(image), out / image_set.folder / f"{names[image]}.png")

    examples = chosen_examples(scored, MODEL_NAMES[0], count=1).to_dict("records")
    order = viewer.in_turn(published, [row["image"] for row in examples], settings.attack.seed)
    entries = fitting_entries(
        order, lambda image: shown_image(image, clean(image), published, None, sets), settings.page.faces_mb
    )
    content = {
        "note": viewer.chosen_note(len(entries), len(names)),
        "images": entries,
        "evolution": {model: evolution(trajectories / f"{model}.npy", clean) for model in MODEL_NAMES},
        "recognisers": {},
        "example": [example(row, clean(row["image"]), sets) for row in examples],
    }
    with atomic_write(shown) as partial:
        partial.write_text(json.dumps(content, ensure_ascii=False) + "\n", "utf-8")


def evolution(trajectory: Path, clean: Callable[[str], np.ndarray]) -> dict[str, Any]:
    """Embed one model's start from noise for the page: the image's name, the clean image and its iterates by step.

    clean: maps an image's name to its pixels.
    """
    iterates = np.load(trajectory)
    image = str(iterates["image"][0])
    frames = [viewer.embedded(to_8bit(pixels), exact=False) for pixels in iterates["pixels"]]
    steps = iterates["step"].tolist()
    return {"image": image, "clean": viewer.embedded(clean(image), exact=False), "steps": steps, "frames": frames}


def example(row: dict[str, Any], clean: np.ndarray, sets: Sequence[ImageSet]) -> dict[str, Any]:
    """Embed the page's first example, given by a `row` of the scores: clean image, protected image, perturbation."""
    [image_set] = [x for x in sets if (x.model, x.method) == (row["model"], row["method"])]
    protected = image_set.pixels(row["image"])
    perturbation = np.abs(protected.astype(int) - clean) * AMPLIFICATION
    images = {"clean": clean, "protected": protected, "change": perturbation.clip(0, 255).astype(np.uint8)}
    labels = {name: row[name] for name in ("image", "model", "method", "person", "predicted")}
    return labels | {name: viewer.embedded(pixels) for name, pixels in images.items()}


if __name__ == "__main__":
    run(main)

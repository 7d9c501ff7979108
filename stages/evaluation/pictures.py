"""Write the evaluation's faces as PNG files, and select those that are embedded in its page."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.faces.external_images import exported_names
from pfgvm.report import viewer
from stages.common.data_frames import read_numbers
from stages.common.face_archive import read_pixels
from stages.common.files import atomic_write
from stages.common.program import read_settings, run
from stages.evaluation.evaluated_set import read_scores, sets_in
from stages.reporting.image_sets import fitting_entries, image_sets, sets_of, shown_image, write_image


def main(
    *,
    scores: Path,
    paper_scores: Path,
    recognised: Path,
    faces: Path,
    paper_adversarial: Path,
    adversarial: Path,
    out: Path,
    shown: Path,
) -> None:
    """Write every image that the evaluation adds as a PNG file to the folder `out`.

    shown: the JSON file with the embedded images of all methods, at most page.faces_mb megabytes. scores, adversarial:
    the folders of the sets that the evaluation adds. paper_scores, paper_adversarial: those of the paper. recognised:
    the recognisers' results per image. faces: the zip of the originals.
    """
    settings = read_settings()
    paper = read_numbers(paper_scores)
    scored = pd.concat([paper, read_scores(scores)])
    published = scored[scored["pixels"] == "8bit"]
    names = exported_names(sorted(published["image"].unique()))
    added = image_sets(sets_in(adversarial))
    sets = [*image_sets(sets_of(paper, paper_adversarial)), *added]

    shutil.rmtree(out, ignore_errors=True)
    for image_set in added:
        for image in image_set.places:
            write_image(image_set.pixels(image), out / image_set.folder / f"{names[image]}.png")

    by_image = read_numbers(recognised)

    def entry(image: str) -> dict[str, Any]:
        [clean] = read_pixels(faces, [image], settings.data.image_size)
        return shown_image(image, clean, published, by_image, sets)

    entries = fitting_entries(viewer.in_turn(published, [], settings.attack.seed), entry, settings.page.faces_mb)
    content = {
        "note": viewer.chosen_note(len(entries), len(names)),
        "images": entries,
        "evolution": {},
        "recognisers": {name: recogniser_label(name) for name in settings.evaluation.recognisers},
    }
    with atomic_write(shown) as partial:
        partial.write_text(json.dumps(content, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    run(main)

"""The same faces under each of several runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from pfgvm.methods import PAPER_METHODS
from pfgvm.report.paper_figures import AMPLIFICATION, chosen_examples
from pfgvm.report.runs.run import Run
from pfgvm.report.viewer import embedded
from pfgvm.settings import MODEL_NAMES

COUNT = 2
RULE = (
    f"Of each model at most {COUNT} images, each of another person, that {PAPER_METHODS[0]} attacked in all of these "
    "runs. First come those that the model names rightly when clean and wrongly when protected, in the first run; then "
    "test images before others; then they go by file name. Pictures and numbers are of the 8-bit files."
)

# By run, model and method the pictures by image, uint8, (3, H, W).
Pictures = Mapping[tuple[str, str, str], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Protected:
    """One image as a method protected it: pictures as addresses that hold them (data:…), and what is said of them."""

    protected: str
    change: str
    l2: float
    mssim: float
    before: str
    after: str


@dataclass(frozen=True)
class SharedFace:
    """One image under each run: by method what came out, with the names of the runs in which just that did."""

    model: str
    image: str
    person: str
    split: str
    clean: str
    methods: Mapping[str, Mapping[Protected, Sequence[str]]]


def side_by_side(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """The runs whose faces can be shown beside the first's, and of each other one why not, in a sentence."""
    kept, reasons = [runs[0]], []
    for run in runs[1:]:
        if reason := _apart(run, runs[0]):
            reasons.append(f"{run.name} is compared by its tables alone: {reason}.")
        else:
            kept.append(run)
    return kept, reasons


def _apart(run: Run, first: Run) -> str:
    sizes = [f"{each.summary['image_width']} x {each.summary['image_height']}" for each in (run, first)]
    if sizes[0] != sizes[1]:
        return f"its images are of {sizes[0]} pixels, those of {first.name} of {sizes[1]}"
    if set(run.scores["person"]) != set(first.scores["person"]):
        return f"its persons are not those of {first.name}"
    if not any(shared_images([first, run], model) for model in MODEL_NAMES):
        return f"it attacked none of the images that {first.name} did"
    return ""


def shared_images(runs: Sequence[Run], model: str) -> list[str]:
    """The images, chosen as RULE says, that are shown of `model`; none where the runs have none in common."""
    proposed = [run.sets("float").get((model, PAPER_METHODS[0]), pd.DataFrame()) for run in runs]
    if any(rows.empty for rows in proposed):
        return []
    attacked = [set(zip(rows.index, rows["person"], rows["face"], strict=True)) for rows in proposed]
    shared = {image for image, *_ in set.intersection(*attacked)}
    first = runs[0].scores
    return list(chosen_examples(first[first["image"].isin(shared)], model, COUNT)["image"])


def shared_faces(runs: Sequence[Run], clean: Mapping[str, np.ndarray], protected: Pictures) -> list[SharedFace]:
    """What is shown of the shared images, model by model.

    clean: by image its picture, uint8, (3, H, W). protected: likewise what each method of the paper made of it.
    """
    sets = {run.name: run.sets("8bit") for run in runs}
    found = []
    for model in MODEL_NAMES:
        for image in shared_images(runs, model):
            methods: dict[str, dict[Protected, list[str]]] = {method: {} for method in PAPER_METHODS}
            for (name, own), method in product(sets.items(), PAPER_METHODS):
                if (model, method) in own and image in own[model, method].index:
                    row = own[model, method].loc[image]
                    outcome = _protected(row, clean[image], protected[name, model, method][image])
                    methods[method].setdefault(outcome, []).append(name)
            row = sets[runs[0].name][model, PAPER_METHODS[0]].loc[image]
            found.append(SharedFace(model, image, row["person"], row["split"], embedded(clean[image]), methods))
    return found


def _protected(row: pd.Series, clean: np.ndarray, picture: np.ndarray) -> Protected:
    change = np.abs(picture.astype(int) - clean) * AMPLIFICATION
    pictures = embedded(picture), embedded(change.clip(0, 255).astype(np.uint8))
    return Protected(*pictures, row["l2"], row["mssim"], row["predicted_clean"], row["predicted"])

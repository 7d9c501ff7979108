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
    f"At most {COUNT} images for each model, of different identities, that {PAPER_METHODS[0]} attacked in all runs. "
    "Images that are classified correctly when clean and misclassified when protected in the first run come first, "
    "then test images, then the order of file names. Images and numbers are those of the 8-bit files."
)

# By run, model and method: pixels by image name, uint8, (3, H, W).
Pictures = Mapping[tuple[str, str, str], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Protected:
    """One protected image and its perturbation as data URLs, its metrics, and the predictions before and after."""

    protected: str
    perturbation: str
    l2: float
    mssim: float
    before: str
    after: str


@dataclass(frozen=True)
class SharedFace:
    """One image in each run: by method its distinct results, each with the names of the runs that gave it."""

    model: str
    image: str
    person: str
    split: str
    clean: str
    methods: Mapping[str, Mapping[Protected, Sequence[str]]]


def side_by_side(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """The runs whose faces can be shown next to the first's, and for every other run a sentence that states why not."""
    comparable, reasons = [runs[0]], []
    for run in runs[1:]:
        if reason := _difference(run, runs[0]):
            reasons.append(f"{run.name} has no faces here: {reason}.")
        else:
            comparable.append(run)
    return comparable, reasons


def _difference(run: Run, first: Run) -> str:
    """Why the faces of `run` cannot be compared with those of `first`; "" if they can."""
    size, first_size = (f"{r.summary['image_width']} x {r.summary['image_height']} pixels" for r in (run, first))
    if size != first_size:
        return f"its images have {size}, those of {first.name} {first_size}"
    if set(run.scores["person"]) != set(first.scores["person"]):
        return f"its identities are not those of {first.name}"
    if not any(shared_images([first, run], model) for model in MODEL_NAMES):
        return f"none of its attacked images is one of {first.name}"
    return ""


def shared_images(runs: Sequence[Run], model: str) -> list[str]:
    """The images of `model` to show, by RULE; empty if the runs have none in common."""
    proposed = [run.sets("float").get((model, PAPER_METHODS[0]), pd.DataFrame()) for run in runs]
    if any(rows.empty for rows in proposed):
        return []
    attacked = [set(zip(rows.index, rows["person"], rows["face"], strict=True)) for rows in proposed]
    shared = {image for image, *_ in set.intersection(*attacked)}
    first = runs[0].scores
    return list(chosen_examples(first[first["image"].isin(shared)], model, COUNT)["image"])


def shared_faces(runs: Sequence[Run], clean: Mapping[str, np.ndarray], protected: Pictures) -> list[SharedFace]:
    """The shared images, model by model.

    clean: pixels by image name, uint8, (3, H, W). protected: likewise for each run, model and method of the paper.
    """
    sets = {run.name: run.sets("8bit") for run in runs}
    faces = []
    for model in MODEL_NAMES:
        for image in shared_images(runs, model):
            methods: dict[str, dict[Protected, list[str]]] = {method: {} for method in PAPER_METHODS}
            for (name, run_sets), method in product(sets.items(), PAPER_METHODS):
                if (model, method) in run_sets and image in run_sets[model, method].index:
                    row = run_sets[model, method].loc[image]
                    result = _protected(row, clean[image], protected[name, model, method][image])
                    methods[method].setdefault(result, []).append(name)
            row = sets[runs[0].name][model, PAPER_METHODS[0]].loc[image]
            faces.append(SharedFace(model, image, row["person"], row["split"], embedded(clean[image]), methods))
    return faces


def _protected(row: pd.Series, clean: np.ndarray, pixels: np.ndarray) -> Protected:
    perturbation = np.abs(pixels.astype(int) - clean) * AMPLIFICATION
    images = embedded(pixels), embedded(perturbation.clip(0, 255).astype(np.uint8))
    return Protected(*images, row["l2"], row["mssim"], row["predicted_clean"], row["predicted"])

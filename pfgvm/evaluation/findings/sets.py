"""Evaluated image sets, the input of the evaluation's tables."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pfgvm.evaluation.statistics import mean
from pfgvm.methods import CLEAN, place


@dataclass(frozen=True)
class EvaluatedSet:
    """The images of one method on one model.

    method: label in tables. seen_by: white-box recognisers of the method, such as Model B's descriptor, separated by
    commas; "none" or "" without one. rows: as written by stages/evaluate.py, one per image and view.
    """

    model: str
    method: str
    seen_by: str
    rows: np.ndarray

    def view(self, name: str, images: np.ndarray | None = None) -> np.ndarray:
        """Rows of the view `name`, in the order of the file or of `images`."""
        rows = self.rows[self.rows["view"] == name]
        if images is None:
            return rows
        place = {image: number for number, image in enumerate(rows["image"].tolist())}
        return rows[[place[image] for image in images.tolist()]]

    def target_rate(self, predicted: np.ndarray, view: str) -> float:
        """Share of images whose prediction, in the order of the `view`, is their target; NaN without targets."""
        targets = self.view(view)["target"]
        return mean((predicted == targets)[targets != ""])


def clean_set(sets: Iterable[EvaluatedSet], of: EvaluatedSet) -> EvaluatedSet:
    """The clean set among `sets` of the same model as the set `of`."""
    return next(other for other in sets if other.model == of.model and other.method == CLEAN)


def in_order(sets: Iterable[EvaluatedSet]) -> list[EvaluatedSet]:
    """`sets` sorted by model, then in the order of `place`."""
    return sorted(sets, key=lambda image_set: (image_set.model, place(image_set.method)))

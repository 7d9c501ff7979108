"""What is seen on adversarial sets, as the tables of the evaluation take it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pfgvm.evaluation.statistics import mean
from pfgvm.methods import CLEAN, place


@dataclass(frozen=True)
class EvaluatedSet:
    """The images of one method on one model.

    method: what tables call it. seen_by: the recognisers that the method had before it, as Model B's descriptor, with
    commas between them; "none" or "" without one. rows: as stages/evaluate.py writes them, one an image and view.
    """

    model: str
    method: str
    seen_by: str
    rows: np.ndarray

    def view(self, name: str, images: np.ndarray | None = None) -> np.ndarray:
        """The rows of the view `name`: in the order of the file, or of `images`."""
        rows = self.rows[self.rows["view"] == name]
        if images is None:
            return rows
        place = {image: number for number, image in enumerate(rows["image"].tolist())}
        return rows[[place[image] for image in images.tolist()]]

    def target_rate(self, predicted: np.ndarray, view: str) -> float:
        """The share of images, in the order of the `view`, that are taken for their target; NaN without targets."""
        targets = self.view(view)["target"]
        return mean((predicted == targets)[targets != ""])


def clean_set(sets: Iterable[EvaluatedSet], of: EvaluatedSet) -> EvaluatedSet:
    """The clean images among `sets` that go with the set `of`: those of its model."""
    return next(one for one in sets if one.model == of.model and one.method == CLEAN)


def in_order(sets: Iterable[EvaluatedSet]) -> list[EvaluatedSet]:
    """`sets` by model, and of a model in the order of `place`."""
    return sorted(sets, key=lambda one: (one.model, place(one.method)))

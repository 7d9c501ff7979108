"""How recognisers compare the embeddings of two faces."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pfgvm.errors import InputError

if TYPE_CHECKING:
    from pfgvm.settings import OnnxRecogniser


@dataclass(frozen=True)
class Comparison:
    """How a recogniser compares two embeddings.

    distance: `cosine` or `euclidean`. centred: whether the mean embedding of other persons is taken from each first.
    """

    name: str
    label: str
    distance: str = "cosine"
    centred: bool = False

    @property
    def field(self) -> str:
        """The field of a structured row that holds an embedding of this recogniser: no name meets another field's."""
        return f"embedding_{self.name}"

    def check(self, embeddings: np.ndarray) -> None:
        """Raise InputError where one of `embeddings`, (n, d), is not finite, or zero where angles are compared.

        Its similarity would be no number, which is under every threshold and would count as protection.
        """
        comparable = np.isfinite(embeddings).all(axis=1)
        if self.distance == "cosine":
            comparable &= embeddings.any(axis=1)
        if count := np.count_nonzero(~comparable):
            raise InputError(
                f"recogniser {self.name}: {count} of {len(embeddings)} embeddings are not finite, or zero; correct its "
                "line under evaluation.recognisers or its file, or take it out"
            )

    def similarities(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """How alike the embeddings `a`, (n, d), and `b`, (m, d), are: (n, m); larger is more alike.

        The cosine of their angle, or their Euclidean distance with a minus.
        """
        from scipy.spatial.distance import cdist

        found = cdist(a, b, self.distance)
        return 1 - found if self.distance == "cosine" else -found


# The recognisers that install with the environment, by their names in the settings.
INSTALLED: Mapping[str, Comparison] = {
    # dlib compares by distance: 0.6 and less is one person.
    "dlib": Comparison("dlib", "dlib", distance="euclidean"),
    "sface": Comparison("sface", "SFace"),
}


def comparison(name: str, line: "str | OnnxRecogniser") -> Comparison:
    """How the recogniser `name` of the settings compares; line: `installed`, or the settings of an ONNX file."""
    return INSTALLED[name] if isinstance(line, str) else Comparison(name, name, centred=line.centred)


def recogniser_label(name: str) -> str:
    """What tables call the recogniser `name` of the settings."""
    return INSTALLED[name].label if name in INSTALLED else name

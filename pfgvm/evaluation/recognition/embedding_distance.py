"""Comparison of face embeddings by recognisers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pfgvm.errors import InputError

if TYPE_CHECKING:
    from pfgvm.settings import OnnxRecogniser


@dataclass(frozen=True)
class Comparison:
    """Comparison of two embeddings by a recogniser.

    distance: `cosine` or `euclidean`. centred: whether the mean embedding of other identities is subtracted first.
    """

    name: str
    label: str
    distance: str = "cosine"
    centred: bool = False

    @property
    def field(self) -> str:
        """Field of a structured row with the embedding of this recogniser; its prefix avoids name clashes."""
        return f"embedding_{self.name}"

    def check(self, embeddings: np.ndarray) -> None:
        """Raise InputError if an embedding of `embeddings`, (n, d), is not finite, or zero with cosine distance.

        Its similarity would be NaN, which is below every threshold and would count as protection.
        """
        comparable = np.isfinite(embeddings).all(axis=1)
        if self.distance == "cosine":
            comparable &= embeddings.any(axis=1)
        if count := np.count_nonzero(~comparable):
            raise InputError(
                f"recogniser {self.name}: {count} of {len(embeddings)} embeddings are not finite, or zero; correct its "
                "line under evaluation.recognisers or its file, or remove it"
            )

    def similarities(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Similarities of the embeddings `a`, (n, d), and `b`, (m, d): (n, m), larger for more similar.

        The cosine similarity, or the negative Euclidean distance.
        """
        from scipy.spatial.distance import cdist

        distances = cdist(a, b, self.distance)
        return 1 - distances if self.distance == "cosine" else -distances


# Recognisers installed with the environment, by name in the settings.
INSTALLED: Mapping[str, Comparison] = {
    # dlib compares by distance: up to 0.6 is one identity.
    "dlib": Comparison("dlib", "dlib", distance="euclidean"),
    "sface": Comparison("sface", "SFace"),
}


def comparison(name: str, line: "str | OnnxRecogniser") -> Comparison:
    """Comparison of the recogniser `name` of the settings. line: `installed`, or the settings of an ONNX file."""
    return INSTALLED[name] if isinstance(line, str) else Comparison(name, name, centred=line.centred)


def recogniser_label(name: str) -> str:
    """Label of the recogniser `name` of the settings in tables."""
    return INSTALLED[name].label if name in INSTALLED else name

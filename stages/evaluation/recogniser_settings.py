"""The recognisers of the settings: networks, files and fields."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pfgvm.evaluation.recognition.recognisers import Recogniser, open_recogniser, trial_faces
from pfgvm.settings import Settings


def open_recognisers(settings: Settings, image_size: tuple[int, int]) -> list[Recogniser]:
    """Open all of evaluation.recognisers for faces of `image_size` (height, width).

    Raises InputError as `open_recogniser` does.
    """
    evaluation = settings.evaluation
    return [
        open_recogniser(name, line, Path(evaluation.root), image_size) for name, line in evaluation.recognisers.items()
    ]


def recogniser_files(settings: Settings) -> list[Path]:
    """List the files of the user's own recognisers."""
    evaluation = settings.evaluation
    return [Path(evaluation.root) / line.file for line in evaluation.recognisers.values() if not isinstance(line, str)]


def embedding_fields(recognisers: Sequence[Recogniser], image_size: tuple[int, int]) -> list[tuple]:
    """Define the fields of a structured row for one embedding per recogniser (Comparison.field)."""
    faces = trial_faces(image_size)
    return [(recogniser.field, np.float32, recogniser.embed(faces).shape[1:]) for recogniser in recognisers]

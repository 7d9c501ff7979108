"""The recognisers of the settings, ready to run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pfgvm.evaluation.recognition.recognisers import Recogniser, open_recogniser, trial_faces
from pfgvm.settings import Settings


def open_recognisers(settings: Settings, image_size: tuple[int, int]) -> list[Recogniser]:
    """All of evaluation.recognisers, for faces of `image_size` (height, width). InputError: see `open_recogniser`."""
    chosen = settings.evaluation
    return [open_recogniser(name, line, Path(chosen.root), image_size) for name, line in chosen.recognisers.items()]


def recogniser_files(settings: Settings) -> list[Path]:
    """The files of the user's own recognisers."""
    chosen = settings.evaluation
    return [Path(chosen.root) / line.file for line in chosen.recognisers.values() if not isinstance(line, str)]


def embedding_fields(recognisers: Sequence[Recogniser], image_size: tuple[int, int]) -> list[tuple]:
    """The fields of a structured row that hold one embedding each: Comparison.field."""
    faces = trial_faces(image_size)
    return [(recogniser.field, np.float32, recogniser.embed(faces).shape[1:]) for recogniser in recognisers]

"""Readers of the files that evaluate.py, strengths.py and gallery.py write, for the stages that compute tables."""

from pathlib import Path

import numpy as np
import pandas as pd

from pfgvm.evaluation.findings.enrolment import Enrolment
from pfgvm.evaluation.findings.sets import EvaluatedSet, in_order
from pfgvm.evaluation.findings.verification import Faces
from pfgvm.evaluation.findings.visibility_rates import AtStrength
from pfgvm.evaluation.recognition.embedding_distance import comparison
from pfgvm.methods import METHODS, label_of
from pfgvm.settings import MODEL_NAMES, Settings
from stages.common.data_frames import read_numbers

# The images of all other tools are in one file.
_SETS = [f"{model}/{method.key}" for model in (*MODEL_NAMES, "any") for method in METHODS] + ["any/external"]


def read_evaluated(folder: Path) -> list[EvaluatedSet]:
    """Read the sets of all methods in `folder`, one file each in its model's folder, memory-mapped.

    A set without an attacked model is a set of every model.
    """
    sets = []
    for path in sets_in(folder):
        rows = np.load(path, mmap_mode="r")
        for key in dict.fromkeys(rows["method"].tolist()):
            subset = rows if (rows["method"] == key).all() else rows[rows["method"] == key]
            models = [str(subset["model"][0])] if subset["model"][0] else MODEL_NAMES
            sets += [EvaluatedSet(model, label_of(key), str(subset["seen_by"][0]), subset) for model in models]
    return in_order(sets)


def sets_in(folder: Path, suffix: str = ".npy") -> list[Path]:
    """List the files of the methods' sets in `folder`; other files are ignored."""
    return [path for name in _SETS if (path := folder / f"{name}{suffix}").exists()]


def read_scores(folder: Path) -> pd.DataFrame:
    """Read the scores in `folder` of all sets that the evaluation adds, with methods by label."""
    table = pd.concat([read_numbers(path) for path in sets_in(folder, ".csv")])
    return table.assign(method=table["method"].map(label_of))


def read_strengths(folder: Path) -> list[AtStrength]:
    """Read the output of strengths.py in `folder`, strength by strength."""
    sets = []
    for path in sets_in(folder):
        rows = np.load(path)
        for strength in np.unique(rows["strength"]).tolist():
            subset = rows[rows["strength"] == strength]
            model, key, seen_by = (str(subset[name][0]) for name in ("model", "method", "seen_by"))
            sets.append(AtStrength(model, label_of(key), seen_by, strength, subset))
    return sets


def read_enrolments(gallery: Path, settings: Settings) -> list[Enrolment]:
    """Read the enrolment of each recogniser of the settings from the file `gallery`."""
    rows = np.load(gallery)
    enrolments = []
    for name, line in settings.evaluation.recognisers.items():
        recogniser = comparison(name, line)
        groups = (rows[rows["group"] == group] for group in ("gallery", "calibration"))
        faces = [Faces(part["image"], part["person"], part[recogniser.field]) for part in groups]
        enrolments.append(Enrolment.of(recogniser, *faces))
    return enrolments

"""What evaluate.py, strengths.py and gallery.py have written, for the stages that make tables of it."""

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

# Other tools' images lie in one file.
_SETS = [f"{model}/{method.key}" for model in (*MODEL_NAMES, "any") for method in METHODS] + ["any/external"]


def read_evaluated(folder: Path) -> list[EvaluatedSet]:
    """The sets of all methods in `folder`, a file each in its model's folder.

    Where no model was attacked, they are sets of every model. Their rows are read from disk where they are used.
    """
    found = []
    for path in sets_in(folder):
        rows = np.load(path, mmap_mode="r")
        for key in dict.fromkeys(rows["method"].tolist()):
            own = rows if (rows["method"] == key).all() else rows[rows["method"] == key]
            models = [str(own["model"][0])] if own["model"][0] else MODEL_NAMES
            found += [EvaluatedSet(model, label_of(key), str(own["seen_by"][0]), own) for model in models]
    return in_order(found)


def sets_in(folder: Path, suffix: str = ".npy") -> list[Path]:
    """The files of the methods' sets that are in `folder`; nothing else that lies there counts."""
    return [path for name in _SETS if (path := folder / f"{name}{suffix}").exists()]


def read_scores(folder: Path) -> pd.DataFrame:
    """The scores in `folder` of all sets that the evaluation adds, methods by their labels."""
    table = pd.concat([read_numbers(path) for path in sets_in(folder, ".csv")])
    return table.assign(method=table["method"].map(label_of))


def read_strengths(folder: Path) -> list[AtStrength]:
    """What strengths.py has written into `folder`, strength by strength."""
    found = []
    for path in sets_in(folder):
        rows = np.load(path)
        for strength in np.unique(rows["strength"]).tolist():
            own = rows[rows["strength"] == strength]
            model, key, seen_by = (str(own[name][0]) for name in ("model", "method", "seen_by"))
            found.append(AtStrength(model, label_of(key), seen_by, strength, own))
    return found


def read_enrolments(gallery: Path, settings: Settings) -> list[Enrolment]:
    """The enrolment of each recogniser of the settings, from the file `gallery`."""
    rows = np.load(gallery)
    found = []
    for name, line in settings.evaluation.recognisers.items():
        compared = comparison(name, line)
        groups = (rows[rows["group"] == group] for group in ("gallery", "calibration"))
        faces = [Faces(part["image"], part["person"], part[compared.field]) for part in groups]
        found.append(Enrolment.of(compared, *faces))
    return found

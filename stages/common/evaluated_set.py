"""What stages/evaluate.py, visibility.py and gallery.py have written, for the stages that make tables of it."""

from pathlib import Path

import numpy as np

from pfgvm.evaluation.findings.enrolment import Enrolment
from pfgvm.evaluation.findings.sets import EvaluatedSet, in_order
from pfgvm.evaluation.findings.verification import Faces
from pfgvm.evaluation.findings.visibility import AtStrength
from pfgvm.evaluation.recognition.recognisers import comparison
from pfgvm.settings import Settings
from stages.common.files import holds_nothing


def read_evaluated(folder: Path) -> list[EvaluatedSet]:
    """The sets in `folder`, a file each in its model's folder; what was not asked for is left out.

    Images that no model had a part in are a set of every model. Their rows are read from disk where they are looked at.
    """
    found = []
    for path in sorted(folder.glob("*/*.npy")):
        if holds_nothing(path):
            continue
        rows = np.load(path, mmap_mode="r")
        for method in dict.fromkeys(rows["method"].tolist()):
            own = rows if (rows["method"] == method).all() else rows[rows["method"] == method]
            judges = [name.removeprefix("predicted_") for name in rows.dtype.names if name.startswith("predicted_")]
            models = judges if not own["model"][0] else [path.parent.name]
            found += [EvaluatedSet(model, method, str(own["seen_by"][0]), own) for model in models]
    return in_order(found)


def read_strengths(folder: Path) -> list[AtStrength]:
    """What stages/visibility.py has written into `folder`, strength by strength; what was not asked for is left out."""
    found = []
    for path in sorted(folder.glob("*/*.npy")):
        if not holds_nothing(path):
            rows = np.load(path)
            for strength in np.unique(rows["strength"]).tolist():
                own = rows[rows["strength"] == strength]
                model, method, seen_by = (str(own[name][0]) for name in ("model", "method", "seen_by"))
                found.append(AtStrength(model, method, seen_by, strength, own))
    return found


def read_enrolments(gallery: Path, settings: Settings) -> list[Enrolment]:
    """What each recogniser of the settings knows, from the file `gallery`."""
    rows = np.load(gallery)
    found = []
    for name, line in settings.evaluation.recognisers.items():
        compared = comparison(name, line)
        groups = (rows[rows["group"] == group] for group in ("gallery", "calibration"))
        faces = [Faces(part["image"], part["person"], part[compared.field]) for part in groups]
        found.append(Enrolment.of(compared, *faces))
    return found

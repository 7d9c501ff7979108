"""Protect photographs: python -m tools.protect PHOTO… [--method p_fgvm_features] [--out protected] (make protect).

docs/protect.md says what it does, what it writes, and what it does not promise.
"""

import argparse
import functools
import hashlib
import math
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from pfgvm.attacks import methods
from pfgvm.attacks.common.method import Method
from pfgvm.errors import InputError
from pfgvm.evaluation.recognition.detection import find_faces
from pfgvm.evaluation.recognition.recognisers import Recogniser
from pfgvm.models import fused_for_attack
from pfgvm.models.device import configure_device
from pfgvm.models.dlib_face import CELEBA_SIZE
from pfgvm.models.training_record import TrainingRecord
from pfgvm.photographs.before_after import before_after
from pfgvm.photographs.photograph import png, read_photograph
from pfgvm.photographs.photograph_table import photograph_table
from pfgvm.photographs.protect import Classifier, ProtectedFace, Protector, protect, shown, works_alone
from pfgvm.photographs.same_person import PUBLISHED_THRESHOLDS, verdict
from pfgvm.report.figures import png as drawn
from pfgvm.report.render import markdown
from pfgvm.report.words import DATASETS, model_name, recogniser_label
from pfgvm.settings import MODEL_NAMES, Settings
from stages.common.data_frames import csv_text, read_table
from stages.common.descriptor_settings import open_descriptor
from stages.common.files import atomic_write
from stages.common.methods import load_method
from stages.common.program import read_settings
from stages.common.recogniser_settings import open_recognisers
from stages.common.trained_model import TrainedModel

MODELS = Path("data/models")
THRESHOLDS = Path("reports/thresholds.csv")
FALSE_MATCH_RATE = 0.01
# What the perturbation is multiplied with; visibility.csv has what recognisers find at each, and how much is seen.
STRENGTHS = {"light": 0.5, "medium": 1.0, "strong": 1.5}
# Height of a face in the picture before_after, in pixels, and what is shown around the frame that the model sees.
VIEW_HEIGHT, MARGIN = 400, 0.15
# Matplotlib draws nothing of 65,536 pixels and more.
MOST_ROWS = 60_000


@dataclass(frozen=True)
class Tools:
    """What every photograph is worked on with.

    record: of the classifier that the method attacks, None without one. attacked: the face descriptors that it has
    before it, alone or in the classifier. thresholds: of similarities, by the recogniser's name.
    """

    record: TrainingRecord | None
    attacked: Sequence[str]
    method: Method
    protector: Protector
    recognisers: Sequence[Recogniser]
    thresholds: Mapping[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Protect the photographs that the command line names, each for itself; 1 where one failed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tools.protect", description="Protect photographs.")
    parser.add_argument("photographs", metavar="PHOTO", type=Path, nargs="+")
    parser.add_argument(
        "--method", default="p_fgvm_features", help="a file of pfgvm/attacks/methods, without its ending"
    )
    parser.add_argument(
        "--model", choices=MODEL_NAMES, default="B", help="for methods that attack a trained classifier"
    )
    parser.add_argument("--strength", choices=STRENGTHS, default="medium", help="how much is changed, and seen")
    parser.add_argument("--out", type=Path, default=Path("protected"), help="the folder to write to")
    options = parser.parse_args(arguments)
    failed = 0
    try:
        tools = open_tools(read_settings(), options.model, options.method, STRENGTHS[options.strength])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in options.photographs:
        try:
            print(protect_file(path, options.out, tools), flush=True)
        except InputError as error:
            failed += 1
            print(f"error: {error}\n", file=sys.stderr, flush=True)
    print(no_promise(tools))
    return min(failed, 1)


def open_tools(settings: Settings, model: str, method: str, strength: float) -> Tools:
    """The `method`, what it attacks, and the settings' recognisers. Raises InputError where one cannot be used."""
    chosen, attack = load_method(method), settings.attack
    if not works_alone(chosen):
        names = [module.name for module in pkgutil.iter_modules(methods.__path__)]
        able = ", ".join(name for name in names if works_alone(load_method(name)))
        raise InputError(
            f"method {method}: is no perturbation that one photograph and what is attacked give; take one of {able}"
        )
    # Of one image sums depend on their number: with another, another perturbation would come out.
    torch.set_num_threads(settings.threads)
    device = configure_device(settings.device, attack.precision)
    deidentify = functools.partial(chosen.deidentify, **chosen.parameters(attack, model))
    named = chosen.descriptors(attack) if chosen.descriptors else ()
    attacked = [*named]
    if chosen.uses_model:
        if not (MODELS / model).is_dir():
            raise InputError(f"{MODELS / model}: Model {model} is not trained yet; run `make repro` first")
        trained = TrainedModel.read(MODELS / model)
        record, image_size = trained.record, trained.record.image_size
        classifier = Classifier(fused_for_attack(trained.network(device)), attack.target, attack.seed)
        attacked.append(record.descriptor)
    else:
        record, image_size, classifier = None, CELEBA_SIZE, None
    descriptors = [open_descriptor(name, settings, image_size).to(device) for name in named]
    protector = Protector(image_size, deidentify, classifier, descriptors, device, strength)
    recognisers = open_recognisers(settings, image_size)
    return Tools(record, attacked, chosen, protector, recognisers, PUBLISHED_THRESHOLDS | measured_thresholds())


def measured_thresholds() -> dict[str, float]:
    """By recogniser the similarity from which on two faces count as one person's, as the evaluation measured it."""
    if not THRESHOLDS.exists():
        return {}
    table = read_table(THRESHOLDS)
    at_rate = table[pd.to_numeric(table["fmr"]) == FALSE_MATCH_RATE]
    values = pd.to_numeric(at_rate["threshold"], errors="coerce")
    return dict(zip(at_rate["recogniser"][values.notna()], values.dropna(), strict=True))


def protect_file(path: Path, out: Path, tools: Tools) -> str:
    """Protect the photograph `path`, write what came of it into the folder `out`, and say it in words.

    Raises InputError for what is no photograph, or one without a face, and where `out` holds results of another.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); correct its name") from None
    digest = hashlib.sha256(content).hexdigest()
    table, picture, written = (out / f"{path.stem}.{end}" for end in ("csv", "before_after.png", "protected.png"))
    if any(file.exists() for file in (table, picture, written)) and digest not in photographs_of(table):
        raise InputError(f"{path}: {written} and what lies beside it are of another photograph; name another --out")
    photograph = read_photograph(content, str(path))
    faces = find_faces(photograph.seen)
    if not faces:
        height, width = photograph.pixels.shape[:2]
        raise InputError(
            f"{path}: no face was found on its {width} x {height} pixels; turn it upright, or give a photograph whose "
            "faces look at the camera and are at least 20 pixels wide"
        )
    done, found = protect(photograph, faces, path.name, tools.protector)
    rows = table_rows(path, digest, found, tools)
    size = view_size(len(found), tools.protector.image_size)
    views = [[shown(pixels, face, size, MARGIN) for face in faces] for pixels in (photograph.seen, done.seen)]
    # The table first: it says of which photograph the pictures are.
    made = {table: csv_text(pd.DataFrame(rows)), written: png(done), picture: drawn(before_after(*views))}
    for file, bytes_ in made.items():
        with atomic_write(file) as partial:
            partial.write_bytes(bytes_)
    return f"{path} -> {written}\n\n{markdown(photograph_table(rows, photograph.notes))}"


def photographs_of(table: Path) -> set[str]:
    """SHA-256 of the photographs of which the file `table` tells; none where it is no such table."""
    try:
        return set(read_table(table)["sha256"])
    except (OSError, ValueError, KeyError):
        return set()


def view_size(faces: int, image_size: tuple[int, int]) -> tuple[int, int]:
    """Height and width at which each of so many faces is shown, in the shape of `image_size`."""
    height = min(VIEW_HEIGHT, MOST_ROWS // faces)
    return height, round(height * image_size[1] / image_size[0])


def table_rows(path: Path, digest: str, found: Sequence[ProtectedFace], tools: Tools) -> list[dict[str, Any]]:
    """The table's rows: of each face first what an attacked classifier says, then what every recogniser does."""
    record, rows = tools.record, []
    model, descriptor = (record.model, record.descriptor) if record else ("", ",".join(tools.attacked))
    made = {"model": model, "descriptor": descriptor, "method": tools.method.label}
    for number, one in enumerate(found, start=1):
        box = dict(zip(("left", "top", "width", "height"), np.rint(one.face.box).astype(int).tolist(), strict=True))
        l2 = round(float(np.linalg.norm(one.after - one.before)), 3)
        face = {"photograph": path.name, "sha256": digest, "face": number, **box, **made, "l2": l2}
        if record and one.said:
            target, clean, protected = (record.classes[of] for of in vars(one.said).values())
            rows.append(face | {
                "recogniser": record.model, "seen": True, "predicted_clean": clean, "predicted": protected,
                "target": target, "distance": None, "similarity": None, "threshold": None,
                "same_person": protected == clean,
            })  # fmt: skip
        for by in tools.recognisers:
            said = verdict(by, one.before, one.after, tools.thresholds.get(by.name, math.nan))
            rows.append(face | {
                "recogniser": by.name, "seen": by.name in tools.attacked, "predicted_clean": None, "predicted": None,
                "target": None, "distance": by.distance, "similarity": round(said.similarity, 4),
                "threshold": said.threshold, "same_person": said.same_person,
            })  # fmt: skip
    return rows


def no_promise(tools: Tools) -> str:
    """What a protected photograph is not, in two sentences."""
    if record := tools.record:
        model = model_name(record.model, {record.model: record.descriptor})
        made = (
            f"Made against {model} alone, which this pipeline trained on {DATASETS[record.dataset]}: no protection "
            "from any other recogniser has been shown, and the tables say what those at hand make of it."
        )
    else:
        names = " and ".join(recogniser_label(name) for name in tools.attacked)
        made = (
            f"Made against {names} in the hope that others err too: the tables say what those at hand make of it, and "
            "`make evaluation` how many photographs of a person they still match."
        )
    return f"{made}\nIt hides nobody from people; do not rely on it for anyone's safety."


if __name__ == "__main__":
    sys.exit(main())

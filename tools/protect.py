"""Protect photographs: python -m tools.protect PHOTO… [--method p_fgvm_features] [--out protected] (make protect).

docs/protect.md says what it does, what it writes, and what it does not promise.
"""

import argparse
import contextlib
import functools
import glob
import hashlib
import math
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from pfgvm.errors import InputError
from pfgvm.evaluation.recognition.detection import find_faces
from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.evaluation.recognition.recognisers import Recogniser
from pfgvm.faces.geometry import CELEBA_SIZE
from pfgvm.methods import ATTACKS, Method
from pfgvm.models.training_record import TrainingRecord
from pfgvm.photographs.before_after import before_after
from pfgvm.photographs.photograph import png, read_photograph
from pfgvm.photographs.photograph_table import photograph_table
from pfgvm.photographs.protection import Classifier, ProtectedFace, Protector, protect, shown
from pfgvm.photographs.same_person import PUBLISHED_THRESHOLDS, verdict
from pfgvm.report.paper_figures import png as drawn
from pfgvm.report.render import markdown
from pfgvm.report.words import DATASETS, model_name
from pfgvm.settings import MODEL_NAMES, Settings
from stages.adversarial.descriptor_settings import open_descriptor
from stages.adversarial.method_modules import load_method
from stages.common.data_frames import csv_text, read_table
from stages.common.files import atomic_write
from stages.common.program import input_errors, print_any_name, read_settings, readable
from stages.evaluation.recogniser_settings import open_recognisers
from stages.networks.computing import configure_device
from stages.networks.trained_model import TrainedModel

MODELS = Path("data/models")
THRESHOLDS = Path("reports/evaluation/thresholds.csv")
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
    parser.add_argument("photographs", metavar="PHOTO", type=Path, nargs="*")
    parser.add_argument("--line", help="photographs in one line, as make takes them: see `named_in`")
    parser.add_argument(
        "--method", default="p_fgvm_features", help="a file of pfgvm/attacks/methods, without its ending"
    )
    parser.add_argument(
        "--model", choices=MODEL_NAMES, default="B", help="for methods that attack a trained classifier"
    )
    parser.add_argument("--strength", choices=STRENGTHS, default="medium", help="how much is changed, and seen")
    parser.add_argument("--out", type=Path, default=Path("protected"), help="the folder to write to")
    options = parser.parse_args(arguments)
    photographs = [*options.photographs, *(named_in(options.line) if options.line else ())]
    if not photographs:
        parser.error("name a photograph")
    print_any_name()
    failed = 0
    try:
        with input_errors():
            tools = open_tools(read_settings(), options.model, options.method, STRENGTHS[options.strength])
            options.out.mkdir(parents=True, exist_ok=True)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path in photographs:
        try:
            with input_errors():
                print(protect_file(path, options.out, tools), flush=True)
        except InputError as error:
            failed += 1
            # One that the operating system refuses may be of another file, which is written for this one.
            whose = "" if str(error).startswith(str(path)) else f"{path}: "
            print(f"error: {whose}{error}\n", file=sys.stderr, flush=True)
    print(no_promise(tools))
    return min(failed, 1)


def named_in(line: str) -> list[Path]:
    """The files that `line` names: one whole name, else words as a shell reads them, else words between blanks.

    The first of these readings of which all files are there counts, and the second where there is none. A word that is
    no file is looked for as a pattern (`*.jpg`) and with `~` for the user's folder.
    """
    readings = [[line]]
    with contextlib.suppress(ValueError):
        readings.append(shlex.split(line))
    readings.append(line.split())
    expanded = [[name for word in words for name in _expanded(word)] for words in readings]
    paths = next((names for names in expanded if all(map(os.path.lexists, names))), expanded[1])
    return [Path(name) for name in paths]


def _expanded(word: str) -> list[str]:
    if os.path.lexists(word):
        return [word]
    word = os.path.expanduser(word)
    return sorted(glob.glob(word)) or [word]


def open_tools(settings: Settings, model: str, method: str, strength: float) -> Tools:
    """The `method`, what it attacks, and the settings' recognisers. Raises InputError where one cannot be used."""
    if method not in ATTACKS:
        raise InputError(f"method {method}: attacks nothing, or is none; take one of {', '.join(ATTACKS)}")
    chosen, attack = ATTACKS[method], settings.attack
    code = load_method(method)
    parameters = code.parameters(attack, model)
    # Of one image sums depend on their number: with another, another perturbation would come out.
    torch.set_num_threads(settings.threads)
    device = configure_device(settings.device)
    named = parameters.get("descriptors", [])
    attacked = [*named]
    if not named:
        if not (MODELS / model).is_dir():
            raise InputError(f"{MODELS / model}: Model {model} is not trained yet; run `make repro` first")
        trained = TrainedModel.read(MODELS / model)
        record, image_size = trained.record, trained.record.image_size
        classifier = Classifier(trained.network(device), attack.target, attack.seed)
        attacked.append(record.descriptor)
    else:
        record, image_size, classifier = None, CELEBA_SIZE, None
    descriptors = {name: open_descriptor(name, settings, image_size).to(device) for name in named}
    deidentify = functools.partial(code.deidentify, **parameters)
    protector = Protector(image_size, deidentify, classifier, descriptors, device, strength)
    recognisers = open_recognisers(settings, image_size)
    return Tools(record, attacked, chosen, protector, recognisers, PUBLISHED_THRESHOLDS | measured_thresholds(settings))


def measured_thresholds(settings: Settings) -> dict[str, float]:
    """By recogniser the similarity from which on two faces count as one person's, as the evaluation measured it.

    None of them where it was measured on rendered faces, which says nothing of photos.
    """
    if settings.data.source == "synthetic" or not THRESHOLDS.exists():
        return {}
    table = read_table(THRESHOLDS)
    at_rate = table[pd.to_numeric(table["fmr"]) == FALSE_MATCH_RATE]
    values = pd.to_numeric(at_rate["threshold"], errors="coerce")
    return dict(zip(at_rate["recogniser"][values.notna()], values.dropna(), strict=True))


def protect_file(path: Path, out: Path, tools: Tools) -> str:
    """Protect the photograph `path`, write what came of it into the folder `out`, and say it in words.

    Raises InputError for what is no photograph, or one without a face, and where `out` holds results of another.
    """
    content = contents(path)
    name = readable(path.name)
    digest = hashlib.sha256(content).hexdigest()
    table, comparison, written = (out / f"{path.stem}.{end}" for end in ("csv", "before_after.png", "protected.png"))
    if any(file.exists() for file in (table, comparison, written)) and digest not in photographs_of(table):
        raise InputError(f"{path}: {written} and what lies beside it are of another photograph; name another --out")
    photograph = read_photograph(content, str(path))
    faces = find_faces(photograph.seen)
    if not faces:
        height, width = photograph.pixels.shape[:2]
        raise InputError(
            f"{path}: no face was found on its {width} x {height} pixels; turn it upright, or give a photograph whose "
            "faces look at the camera and are at least 20 pixels wide"
        )
    protected, protected_faces = protect(photograph, faces, name, tools.protector)
    rows = table_rows(name, digest, protected_faces, tools)
    size = view_size(len(protected_faces), tools.protector.image_size)
    views = [[shown(pixels, face, size, MARGIN) for face in faces] for pixels in (photograph.seen, protected.seen)]
    made = {comparison: drawn(before_after(*views)), written: png(protected), table: csv_text(pd.DataFrame(rows))}
    # All or none; left last to first, so that the table is there first: it says of which photograph the pictures are.
    with contextlib.ExitStack() as files:
        for file, bytes_ in made.items():
            files.enter_context(atomic_write(file)).write_bytes(bytes_)
    return f"{path} -> {written}\n\n{markdown(photograph_table(rows, photograph.notes))}"


def contents(path: Path) -> bytes:
    """The bytes of the photograph `path`. Raises InputError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); correct its name") from None


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


def table_rows(name: str, digest: str, faces: Sequence[ProtectedFace], tools: Tools) -> list[dict[str, Any]]:
    """The rows of the photograph `name`'s table: for each face the attacked classifier's, then each recogniser's."""
    record, rows = tools.record, []
    model, descriptor = (record.model, record.descriptor) if record else ("", ",".join(tools.attacked))
    made = {"model": model, "descriptor": descriptor, "method": tools.method.label}
    for number, protected_face in enumerate(faces, start=1):
        box = dict(
            zip(("left", "top", "width", "height"), np.rint(protected_face.face.box).astype(int).tolist(), strict=True)
        )
        l2 = round(float(np.linalg.norm(protected_face.after - protected_face.before)), 3)
        face = {"photograph": name, "sha256": digest, "face": number, **box, **made, "l2": l2}
        if record and protected_face.said:
            target, clean, protected = (record.classes[of] for of in vars(protected_face.said).values())
            rows.append(face | {
                "recogniser": record.model, "seen": True, "predicted_clean": clean, "predicted": protected,
                "target": target, "distance": None, "similarity": None, "threshold": None,
                "same_person": protected == clean,
            })  # fmt: skip
        for recogniser in tools.recognisers:
            result = verdict(
                recogniser, protected_face.before, protected_face.after, tools.thresholds.get(recogniser.name, math.nan)
            )
            rows.append(face | {
                "recogniser": recogniser.name, "seen": recogniser.name in tools.attacked, "predicted_clean": None, "predicted": None,
                "target": None, "distance": recogniser.distance, "similarity": round(result.similarity, 4),
                "threshold": result.threshold, "same_person": result.same_person,
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

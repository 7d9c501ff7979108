"""Protect photos: python -m tools.protect PHOTO… [--mode natural] [--out protected] (make protect).

docs/protect.md describes the modes, the output and the limits.
"""

import argparse
import contextlib
import functools
import glob
import hashlib
import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from pfgvm.errors import InputError
from pfgvm.evaluation.quality.quality_metrics import ImagePair, flip_close, on_face
from pfgvm.evaluation.recognition.alignment import pixels_under
from pfgvm.evaluation.recognition.detection import Face, find_faces
from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.evaluation.recognition.recognisers import Recogniser
from pfgvm.faces.geometry import CELEBA_SIZE
from pfgvm.faces.images import to_8bit
from pfgvm.methods import ATTACKS, Method
from pfgvm.models.training_record import TrainingRecord
from pfgvm.photographs.before_after import before_after, modes_compared
from pfgvm.photographs.photograph import Photograph, png, read_photograph
from pfgvm.photographs.photograph_table import photograph_table
from pfgvm.photographs.placement import frame_of, framed, shown
from pfgvm.photographs.protection import Classifier, ProtectedFace, Protector, protect
from pfgvm.photographs.same_person import PUBLISHED_THRESHOLDS, verdict
from pfgvm.report.paper_figures import png as drawn
from pfgvm.report.render import markdown
from pfgvm.report.run_summary import FACES
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
THRESHOLDS, EVALUATED = Path("reports/evaluation/thresholds.csv"), Path("reports/evaluation/report.json")
FALSE_MATCH_RATE = 0.01
# The methods that users choose from, by mode.
MODES = {"natural": "p_fgvm_shape", "strong": "p_fgvm_shape_strong", "pixels": "p_fgvm_features"}
DEFAULT_MODE = "natural"
# Height in pixels at which a face is shown in the image before_after, and up to which its visibility is measured.
VIEW_HEIGHT = 600
# In that image, the margin around CelebA's framing, as a share of it; negative, since the face is in its middle.
MARGIN = -0.1
# Limits the memory for a photo of many faces.
MOST_ROWS = 24_000


@dataclass(frozen=True)
class Protection:
    """A method for all photos.

    record: the training record of the attacked classifier, None without one. attacked: the attacked face descriptors,
    alone or in the classifier.
    """

    method: Method
    protector: Protector
    record: TrainingRecord | None
    attacked: Sequence[str]


@dataclass(frozen=True)
class Tools:
    """The methods and the recognisers for all photos.

    protections: by mode; under "" that of a single method. chosen: the mode that is written. thresholds: of
    similarities, by the recogniser's name.
    """

    protections: Mapping[str, Protection]
    chosen: str
    recognisers: Sequence[Recogniser]
    thresholds: Mapping[str, float]

    @property
    def protection(self) -> Protection:
        """The chosen method."""
        return self.protections[self.chosen]


def main(arguments: Sequence[str] | None = None) -> int:
    """Protect the photos named on the command line, independently; returns the exit status, 1 after any failure."""
    parser = argparse.ArgumentParser(prog="python -m tools.protect", description="Protect the faces in photos.")
    parser.add_argument("photographs", metavar="PHOTO", type=Path, nargs="*", help="a photo")
    parser.add_argument("--line", help="several photos as one string, as passed by make")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--mode", choices=MODES, help=f"how faces are changed (default: {DEFAULT_MODE})")
    ways.add_argument("--method", help="name of a file in pfgvm/attacks/methods, instead of a mode")
    parser.add_argument("--model", choices=MODEL_NAMES, default="B", help="attacked model, for methods that attack one")
    parser.add_argument("--out", type=Path, default=Path("protected"), help="output folder")
    options = parser.parse_args(arguments)
    photographs = [*options.photographs, *(named_in(options.line) if options.line else ())]
    if not photographs:
        parser.error("name a photo")
    print_any_name()
    failed = 0
    try:
        with input_errors():
            methods, chosen = ({"": options.method}, "") if options.method else (MODES, options.mode or DEFAULT_MODE)
            tools = open_tools(read_settings(), options.model, methods, chosen)
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
            # The operating system's error may name one of the output files only.
            photo = "" if str(error).startswith(str(path)) else f"{path}: "
            print(f"error: {photo}{error}\n", file=sys.stderr, flush=True)
    print(disclaimer(tools))
    return min(failed, 1)


def named_in(line: str) -> list[Path]:
    """Split `line` into file names: one name, words as in a shell, or words between blanks.

    The first of these readings whose files all exist is used, otherwise the second. A word that is not a file is
    expanded as a pattern (`*.jpg`), with `~` for the user's folder.
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


def open_tools(settings: Settings, model: str, methods: Mapping[str, str], chosen: str) -> Tools:
    """Load the `methods` by mode, of which the `chosen` one is written, their networks, and the settings' recognisers.

    Raises InputError for a method that is not an attack, an untrained model and an unusable recogniser.
    """
    # The number of threads changes the order of sums, and with it the perturbation.
    torch.set_num_threads(settings.threads)
    device = configure_device(settings.device)

    @functools.cache
    def descriptor_of(name: str, image_size: tuple[int, int]) -> torch.nn.Module:
        return open_descriptor(name, settings, image_size).to(device)

    protections = {
        mode: open_method(method, model, settings, device, descriptor_of) for mode, method in methods.items()
    }
    recognisers = open_recognisers(settings, protections[chosen].protector.image_size)
    return Tools(protections, chosen, recognisers, PUBLISHED_THRESHOLDS | measured_thresholds())


def open_method(
    method: str,
    model: str,
    settings: Settings,
    device: torch.device,
    descriptor_of: Callable[[str, tuple[int, int]], torch.nn.Module],
) -> Protection:
    """Load the `method` and its model or descriptors. Raises InputError as `open_tools` does.

    descriptor_of: loads a descriptor by its name and the image size.
    """
    if method not in ATTACKS:
        raise InputError(f"method {method}: is not an attack; use one of {', '.join(ATTACKS)}")
    attack = settings.attack
    module = load_method(method)
    parameters = module.parameters(attack, model)
    descriptor_names = parameters.get("descriptors", [])
    attacked = [*descriptor_names]
    if not descriptor_names:
        if not (MODELS / model).is_dir():
            raise InputError(f"{MODELS / model}: Model {model} is not trained yet; run `make repro` first")
        trained = TrainedModel.read(MODELS / model)
        record, image_size = trained.record, trained.record.image_size
        classifier = Classifier(trained.network(device), attack.target, attack.seed)
        attacked.append(record.descriptor)
    else:
        record, image_size, classifier = None, CELEBA_SIZE, None
    descriptors = {name: descriptor_of(name, image_size) for name in descriptor_names}
    deidentify = functools.partial(module.deidentify, **parameters)
    protector = Protector(image_size, deidentify, classifier, descriptors, device)
    return Protection(ATTACKS[method], protector, record, attacked)


def measured_thresholds() -> dict[str, float]:
    """Read the evaluation's similarity thresholds by recogniser, at FALSE_MATCH_RATE.

    Empty without an evaluation, and after one of rendered faces, whose thresholds do not apply to photos.
    """
    if not (THRESHOLDS.exists() and EVALUATED.exists()):
        return {}
    # Not the current setting: the evaluation may be older.
    if json.loads(EVALUATED.read_text("utf-8"))["run"]["Faces"] == FACES["synthetic"]:
        return {}
    table = read_table(THRESHOLDS)
    at_rate = table[pd.to_numeric(table["fmr"]) == FALSE_MATCH_RATE]
    values = pd.to_numeric(at_rate["threshold"], errors="coerce")
    return dict(zip(at_rate["recogniser"][values.notna()], values.dropna(), strict=True))


def protect_file(path: Path, out: Path, tools: Tools) -> str:
    """Protect the photo `path` and write the results to the folder `out`; returns a summary.

    Raises InputError for a file that is not a photo, a photo without a face, and results of another photo in `out`.
    """
    content = contents(path)
    name = readable(path.name)
    digest = hashlib.sha256(content).hexdigest()
    table, comparison, written = (out / f"{path.stem}.{end}" for end in ("csv", "before_after.png", "protected.png"))
    if any(file.exists() for file in (table, comparison, written)) and digest not in photographs_of(table):
        raise InputError(f"{path}: {written} belongs to another photo; name another folder with --out")
    photograph = read_photograph(content, str(path))
    faces = find_faces(photograph.seen)
    if not faces:
        height, width = photograph.pixels.shape[:2]
        raise InputError(
            f"{path}: no face was found on its {width} x {height} pixels; turn the photo upright, or use one with "
            "frontal faces at least 20 pixels wide"
        )
    size = view_size(len(faces))

    def views(seen: np.ndarray) -> list[np.ndarray]:
        return [shown(seen, face, size, MARGIN) for face in faces]

    # The other modes are shown alone, without their photos in memory.
    by_mode = {
        mode: views(protect(photograph, faces, name, protection.protector)[0].seen)
        for mode, protection in tools.protections.items()
        if mode != tools.chosen
    }
    protected, protected_faces = protect(photograph, faces, name, tools.protection.protector)
    by_mode[tools.chosen] = views(protected.seen)
    visible = [visibility(photograph, protected, face) for face in faces]
    rows = table_rows(name, digest, protected_faces, visible, tools)
    originals = views(photograph.seen)
    if tools.chosen:
        figure = modes_compared(originals, {mode: by_mode[mode] for mode in tools.protections}, tools.chosen)
    else:
        figure = before_after(originals, by_mode[tools.chosen])
    files = {comparison: drawn(figure), written: png(protected), table: csv_text(pd.DataFrame(rows))}
    # All files or none. The table is closed first: it identifies the photo of the images.
    with contextlib.ExitStack() as open_files:
        for file, bytes_ in files.items():
            open_files.enter_context(atomic_write(file)).write_bytes(bytes_)
    return f"{path} -> {written}\n\n{markdown(photograph_table(rows, photograph.notes))}"


def contents(path: Path) -> bytes:
    """Read the bytes of the photo `path`. Raises InputError for an unreadable file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); correct its name") from None


def photographs_of(table: Path) -> set[str]:
    """Read the SHA-256 of the photos in the file `table`; empty for any other file."""
    try:
        return set(read_table(table)["sha256"])
    except (OSError, ValueError, KeyError):
        return set()


def view_size(faces: int) -> tuple[int, int]:
    """Choose the displayed height and width of each of `faces` faces, in the aspect ratio of CelebA's framing."""
    return in_framing(min(VIEW_HEIGHT, MOST_ROWS // faces))


def in_framing(height: int) -> tuple[int, int]:
    """The size `height`, width in the aspect ratio of CelebA's framing."""
    return height, round(height * CELEBA_SIZE[1] / CELEBA_SIZE[0])


def visibility(photograph: Photograph, protected: Photograph, face: Face) -> float:
    """Mean FLIP on a face that is 10 degrees wide, at the photo's own resolution up to VIEW_HEIGHT."""
    in_photograph = CELEBA_SIZE[0] * pixels_under(frame_of(face, CELEBA_SIZE))
    size = in_framing(min(VIEW_HEIGHT, math.ceil(in_photograph)))
    image, original = to_8bit(np.stack([framed(seen, face, size) for seen in (protected.seen, photograph.seen)]))
    return on_face(flip_close)(ImagePair(image, original))


def table_rows(
    name: str, digest: str, faces: Sequence[ProtectedFace], visible: Sequence[float], tools: Tools
) -> list[dict[str, Any]]:
    """Build the table of the photo `name`: for each face, a row of the attacked classifier and of each recogniser.

    visible: `visibility` of each face.
    """
    protection, rows = tools.protection, []
    record, attacked = protection.record, protection.attacked
    model, descriptor = (record.model, record.descriptor) if record else ("", ",".join(attacked))
    attack = {"model": model, "descriptor": descriptor, "method": protection.method.label}
    for number, (face, flip) in enumerate(zip(faces, visible, strict=True), start=1):
        last = {
            "mode": tools.chosen, "displacement": round(face.displacement, 3),
            "displacement_max": round(face.displacement_max, 3), "flip_close": round(flip, 4),
        }  # fmt: skip
        box = dict(zip(("left", "top", "width", "height"), np.rint(face.face.box).astype(int).tolist(), strict=True))
        l2 = round(float(np.linalg.norm(face.after - face.before)), 3)
        row = {"photograph": name, "sha256": digest, "face": number, **box, **attack, "l2": l2}
        if record and face.predictions:
            target, clean, protected = (record.classes[of] for of in vars(face.predictions).values())
            rows.append(row | {
                "recogniser": record.model, "seen": True, "predicted_clean": clean, "predicted": protected,
                "target": target, "distance": None, "similarity": None, "threshold": None,
                "same_person": protected == clean, **last,
            })  # fmt: skip
        for recogniser in tools.recognisers:
            threshold = tools.thresholds.get(recogniser.name, math.nan)
            result = verdict(recogniser, face.before, face.after, threshold)
            rows.append(row | {
                "recogniser": recogniser.name, "seen": recogniser.name in attacked, "predicted_clean": None,
                "predicted": None, "target": None, "distance": recogniser.distance,
                "similarity": round(result.similarity, 4), "threshold": result.threshold,
                "same_person": result.same_person, **last,
            })  # fmt: skip
    return rows


def disclaimer(tools: Tools) -> str:
    """State the limits of the protection, in two sentences."""
    if record := tools.protection.record:
        model = model_name(record.model, {record.model: record.descriptor})
        limits = (
            f"The attack targets {model} alone, which this pipeline trained on {DATASETS[record.dataset]}: protection "
            "from other recognisers is not guaranteed, and the tables show the results of those installed here."
        )
    else:
        names = " and ".join(recogniser_label(name) for name in tools.protection.attacked)
        limits = (
            f"The attack targets {names}; protection from other recognisers is not guaranteed. The tables show the "
            "results of the recognisers installed here, and `make evaluation` measures their match rates."
        )
    return f"{limits}\nIt hides nobody from people; do not rely on it for anyone's safety."


if __name__ == "__main__":
    sys.exit(main())

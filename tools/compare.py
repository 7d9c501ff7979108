"""Runs side by side: python -m tools.compare RUN RUN … [--out reports] (make compare EXP="a b").

A run is the name of an experiment of DVC, any Git revision, or `workspace`, the files as they lie. docs/experiments.md
says what is written.
"""

import argparse
import json
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pfgvm.errors import InputError
from pfgvm.faces.images import decode, to_8bit, to_size
from pfgvm.methods import PAPER_METHODS, key_of
from pfgvm.report.runs.faces import Pictures, shared_faces, shared_images, side_by_side
from pfgvm.report.runs.run import Run, compared
from pfgvm.report.runs.runs_page import runs_page
from pfgvm.settings import MODEL_NAMES
from stages.common.data_frames import csv_text, read_numbers
from stages.common.files import atomic_write
from stages.common.program import SETTINGS, input_errors, print_any_name
from tools.revisions import Revision

REPORT, SCORES, FACES = "reports/report.json", "data/scores.csv", "data/faces.zip"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the runs that the command line names; 1 where that cannot be done, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tools.compare", description="Put runs side by side.")
    parser.add_argument("runs", metavar="RUN", nargs="+", help="an experiment, a Git revision, or workspace")
    parser.add_argument("--templates", type=Path, default=Path("reports/page"), help="the folder of the page's parts")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="the folder to write to")
    options = parser.parse_args(arguments)
    print_any_name()
    try:
        with input_errors():
            for path in compare(options.runs, options.templates, options.out):
                print(path)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def compare(names: Sequence[str], templates: Path, out: Path) -> list[Path]:
    """Write compare.csv and compare.html of the runs `names` into the folder `out`; returns their paths.

    Raises InputError for an unknown run and for what one of them lacks.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(f"{' '.join(names)}: name two runs or more, each once")
    revisions = [Revision(name) for name in names]
    runs = [read_run(revision) for revision in revisions]
    table = compared(runs)
    shown, apart = side_by_side(runs)
    faces = []
    if len(shown) > 1:
        by_name = {revision.name: revision for revision in revisions}
        of_shown = [by_name[run.name] for run in shown]
        faces = shared_faces(shown, *read_pictures(shown, of_shown))
    parts = {path.name: path.read_text("utf-8") for path in sorted(templates.iterdir())}
    files = {
        "compare.csv": csv_text(table),
        "compare.html": runs_page(runs, table, faces, apart, templates=parts).encode(),
    }
    for name, content in files.items():
        with atomic_write(out / name) as partial:
            partial.write_bytes(content)
    return [out / name for name in files]


def read_run(revision: Revision) -> Run:
    """The run at `revision`. Raises InputError where a file of it is missing, or is not as this version writes it."""
    with revision.open(str(SETTINGS)) as settings, revision.open(REPORT) as report, revision.open(SCORES) as scores:
        try:
            values = YAML(typ="safe", pure=True).load(settings)
            report_values = json.load(report)
            # pandas reads an open file as it does a path.
            score_rows = read_numbers(scores)
            summary, training = report_values["run"], report_values["table4"]
            models = [row["model"] for row in training]
        except (YAMLError, ValueError, KeyError) as error:
            what = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            raise InputError(
                f"{revision.name}: {SETTINGS}, {REPORT} or {SCORES} is not as this version of the project writes it "
                f"({what}); compare another run"
            ) from None
    with revision.open(FACES) as file, zipfile.ZipFile(file) as archive:
        checksums = {entry.filename: entry.CRC for entry in archive.infolist()}
    weights = {model: revision.digest(f"data/models/{model}/model.safetensors") for model in models}
    return Run(revision.name, revision.commit, values, summary, training, score_rows, checksums, weights)


def read_pictures(runs: Sequence[Run], revisions: Sequence[Revision]) -> tuple[dict[str, np.ndarray], Pictures]:
    """What shared_faces shows of `runs`: clean pictures by image, and what each method of the paper made of them."""
    images = {model: shared_images(runs, model) for model in MODEL_NAMES}
    size = runs[0].summary["image_height"], runs[0].summary["image_width"]
    with revisions[0].open(FACES) as file, zipfile.ZipFile(file) as archive:
        names = {image for chosen in images.values() for image in chosen}
        clean = {name: to_size(decode(archive.read(name), name), size) for name in sorted(names)}
    protected = {}
    for run, revision in zip(runs, revisions, strict=True):
        made = run.sets("8bit")
        for model, method in ((model, method) for model in MODEL_NAMES for method in PAPER_METHODS):
            if images[model] and (model, method) in made:
                path = f"data/adversarial/{model}/{key_of(method)}.npy"
                protected[run.name, model, method] = read_rows(revision, path, images[model])
    return clean, protected


def read_rows(revision: Revision, path: str, images: Sequence[str]) -> dict[str, np.ndarray]:
    """The 8-bit pictures, uint8, (3, H, W), of `images` in the set at `path`, which may be larger than the memory."""
    with revision.open(path) as file:
        np.lib.format.read_magic(file)
        (count,), _, row_type = np.lib.format.read_array_header_1_0(file)
        rows = (np.frombuffer(file.read(row_type.itemsize), row_type)[0] for _ in range(count))
        return {str(row["image"]): to_8bit(row["pixels"]) for row in rows if row["image"] in images}


if __name__ == "__main__":
    sys.exit(main())

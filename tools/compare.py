"""Compare runs: python -m tools.compare RUN RUN … [--out reports] (make compare EXP="a b").

A run is a DVC experiment, a Git revision, or `workspace`, the current files. docs/experiments.md describes the output.
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
TEMPLATES = Path("reports/page")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the runs named on the command line; returns the exit status, 0 or 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.compare", description="Compare runs in a table and a page.")
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a DVC experiment, a Git revision, or workspace")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="output folder")
    options = parser.parse_args(arguments)
    print_any_name()
    try:
        with input_errors():
            for path in compare(options.runs, options.out):
                print(path)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def compare(names: Sequence[str], out: Path) -> list[Path]:
    """Write compare.csv and compare.html of the runs `names` to the folder `out`; returns their paths.

    Raises InputError for fewer than two runs, an unknown run, and a missing file of a run.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(f"{' '.join(names)}: name two or more different runs")
    revisions = [Revision(name) for name in names]
    runs = [read_run(revision) for revision in revisions]
    table = compared(runs)
    shown, apart = side_by_side(runs)
    faces = []
    if len(shown) > 1:
        by_name = {revision.name: revision for revision in revisions}
        of_shown = [by_name[run.name] for run in shown]
        faces = shared_faces(shown, *read_pictures(shown, of_shown))
    parts = {path.name: path.read_text("utf-8") for path in sorted(TEMPLATES.iterdir())}
    files = {
        "compare.csv": csv_text(table),
        "compare.html": runs_page(runs, table, faces, apart, templates=parts).encode(),
    }
    for name, content in files.items():
        with atomic_write(out / name) as partial:
            partial.write_bytes(content)
    return [out / name for name in files]


def read_run(revision: Revision) -> Run:
    """Read the run at `revision`. Raises InputError for a missing file, and for one in another version's format."""
    with revision.open(str(SETTINGS)) as settings, revision.open(REPORT) as report, revision.open(SCORES) as scores:
        try:
            values = YAML(typ="safe", pure=True).load(settings)
            report_values = json.load(report)
            # pandas accepts an open file in place of a path.
            score_rows = read_numbers(scores)
            summary, training = report_values["run"], report_values["table4"]
            models = [row["model"] for row in training]
        except (YAMLError, ValueError, KeyError) as error:
            problem = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            raise InputError(
                f"{revision.name}: {SETTINGS}, {REPORT} or {SCORES} was not written by this version of the project "
                f"({problem}); compare another run"
            ) from None
    with revision.open(FACES) as file, zipfile.ZipFile(file) as archive:
        checksums = {entry.filename: entry.CRC for entry in archive.infolist()}
    weights = {model: revision.digest(f"data/models/{model}/model.safetensors") for model in models}
    return Run(revision.name, revision.commit, values, summary, training, score_rows, checksums, weights)


def read_pictures(runs: Sequence[Run], revisions: Sequence[Revision]) -> tuple[dict[str, np.ndarray], Pictures]:
    """Read the images for shared_faces: the clean ones by name, and those of each run, model and paper method."""
    images = {model: shared_images(runs, model) for model in MODEL_NAMES}
    size = runs[0].summary["image_height"], runs[0].summary["image_width"]
    with revisions[0].open(FACES) as file, zipfile.ZipFile(file) as archive:
        names = {image for chosen in images.values() for image in chosen}
        clean = {name: to_size(decode(archive.read(name), name), size) for name in sorted(names)}
    protected = {}
    for run, revision in zip(runs, revisions, strict=True):
        sets = run.sets("8bit")
        for model, method in ((model, method) for model in MODEL_NAMES for method in PAPER_METHODS):
            if images[model] and (model, method) in sets:
                path = f"data/adversarial/{model}/{key_of(method)}.npy"
                protected[run.name, model, method] = read_rows(revision, path, images[model])
    return clean, protected


def read_rows(revision: Revision, path: str, images: Sequence[str]) -> dict[str, np.ndarray]:
    """Read `images` of the set at `path` as uint8, (3, H, W), row by row: the set may be larger than the memory."""
    with revision.open(path) as file:
        np.lib.format.read_magic(file)
        (count,), _, row_type = np.lib.format.read_array_header_1_0(file)
        rows = (np.frombuffer(file.read(row_type.itemsize), row_type)[0] for _ in range(count))
        return {str(row["image"]): to_8bit(row["pixels"]) for row in rows if row["image"] in images}


if __name__ == "__main__":
    sys.exit(main())

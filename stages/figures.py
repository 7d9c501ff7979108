"""Figures 1 and 2 in the paper's form, and the plots."""

from pathlib import Path

import numpy as np
import pandas as pd

from pfgvm.methods import PROPOSED, key_of
from pfgvm.report import paper_figures
from pfgvm.report.plots.descriptions import PAPER_PLOTS
from pfgvm.report.plots.drawing import svg
from pfgvm.report.plots.learning_curves import learning_curves
from pfgvm.report.plots.persons_plot import persons_figure
from pfgvm.report.words import model_name
from stages.common.data_frames import read_numbers, read_table
from stages.common.face_archive import read_images
from stages.common.files import atomic_write
from stages.common.program import run
from stages.reporting.training_records import read_records


def main(
    *, scores: Path, faces: Path, models: Path, adversarial: Path, trajectories: Path, tables: Path, out: Path
) -> None:
    """Write figure1 and figure2 (PNG) and the plots of PAPER_PLOTS (SVG) to the folder `out`.

    tables: the folder of the CSV tables named in PAPER_PLOTS.
    """
    records = {record.model: record for record in read_records(models)}
    descriptors = {model: record.descriptor for model, record in records.items()}
    headings = {model: model_name(model, descriptors) for model in records}
    scored = read_table(scores)
    examples = {
        model: read_examples(
            paper_figures.chosen_examples(scored, model),
            faces,
            adversarial / model / f"{key_of(PROPOSED)}.npy",
            record.image_size,
        )
        for model, record in records.items()
    }
    iterates = {
        model: read_trajectory(trajectories / f"{model}.npy", faces, record.image_size)
        for model, record in records.items()
    }
    epochs_used = {model: record.epoch_used for model, record in records.items()}
    histories = dict(iter(read_numbers(tables / "learning_curves.csv").groupby("model")))
    plots = {
        "persons": persons_figure(read_numbers(tables / "persons.csv"), descriptors),
        "learning_curves": learning_curves(histories, epochs_used, headings),
    }
    files = {
        "figure1.png": paper_figures.png(paper_figures.figure1(examples, headings)),
        "figure2.png": paper_figures.png(paper_figures.figure2(iterates, headings)),
        **{f"{name}.svg": svg(plot, prefix=name, title=PAPER_PLOTS[name].title) for name, plot in plots.items()},
    }
    for name, content in files.items():
        with atomic_write(out / name) as path:
            path.write_bytes(content)


def read_examples(
    rows: pd.DataFrame, faces: Path, adversarial: Path, image_size: tuple[int, int]
) -> list[paper_figures.Example]:
    """Read Figure 1's examples of one model: the images of `rows` (of its scores) before and after the attack.

    faces: the zip of the originals. adversarial: the file of P-FGVM's images. image_size: height, width.
    """
    attacked = np.load(adversarial, mmap_mode="r")
    examples = []
    for image, person, predicted, target in rows[["image", "person", "predicted", "target"]].values.tolist():
        [clean] = read_images(faces, [image], image_size)
        [protected] = attacked["pixels"][attacked["image"] == image]
        examples.append(paper_figures.Example(clean, protected, person, predicted, target))
    return examples


def read_trajectory(trajectory: Path, faces: Path, image_size: tuple[int, int]) -> paper_figures.Trajectory:
    """Read Figure 2's data of one model: one image and its iterates from the noise start.

    trajectory: rows of image, step and pixels. faces: the zip of the originals. image_size: height, width.
    """
    iterates = np.load(trajectory)
    [clean] = read_images(faces, [str(iterates["image"][0])], image_size)
    return paper_figures.Trajectory(iterates["pixels"], iterates["step"].tolist(), clean)


if __name__ == "__main__":
    run(main)

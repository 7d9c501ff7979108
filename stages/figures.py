"""Figures 1 and 2 in the paper's form, and the curves."""

from pathlib import Path

import numpy as np
import pandas as pd

from pfgvm.report import figures
from pfgvm.report.trade_off_figure import trade_off
from pfgvm.report.visibility_figure import visibility_figure
from pfgvm.report.words import model_name
from stages.common.data_frames import read_table
from stages.common.face_archive import read_images
from stages.common.files import atomic_write
from stages.common.program import run
from stages.common.training_records import read_records


def main(
    *, scores: Path, faces: Path, models: Path, adversarial: Path, trajectories: Path, tables: Path, out: Path
) -> None:
    """Write figure1, figure2, learning_curves, curves and visibility, PNG files, into the folder `out`.

    tables: the folder of curves.csv and visibility.csv.
    """
    records = {record.model: record for record in read_records(models)}
    descriptors = {model: record.descriptor for model, record in records.items()}
    headings = {model: model_name(model, descriptors) for model in records}
    scored = read_table(scores)
    shown = {
        model: read_examples(
            figures.chosen_examples(scored, model), faces, adversarial / model / "p_fgvm.npy", record.image_size
        )
        for model, record in records.items()
    }
    followed = {
        model: read_trajectory(trajectories / f"{model}.npy", faces, record.image_size)
        for model, record in records.items()
    }
    histories = {model: pd.read_csv(models / model / "history.csv") for model in records}
    epochs_used = {model: record.epoch_used for model, record in records.items()}
    drawn = {
        "figure1": figures.figure1(shown, headings),
        "figure2": figures.figure2(followed, headings),
        "learning_curves": figures.learning_curves(histories, epochs_used, headings),
        "curves": trade_off(pd.read_csv(tables / "curves.csv")),
        "visibility": visibility_figure(pd.read_csv(tables / "visibility.csv").fillna({"model": ""})),
    }
    for name, figure in drawn.items():
        with atomic_write(out / f"{name}.png") as path:
            path.write_bytes(figures.png(figure))


def read_examples(
    rows: pd.DataFrame, faces: Path, adversarial: Path, image_size: tuple[int, int]
) -> list[figures.Example]:
    """What Figure 1 shows of one model: the images of `rows` (of its scores) before and after the attack.

    faces: the zip of the originals. adversarial: P-FGVM's images. image_size: height, width.
    """
    attacked = np.load(adversarial, mmap_mode="r")
    shown = []
    for image, person, predicted, target in rows[["image", "person", "predicted", "target"]].values.tolist():
        [clean] = read_images(faces, [image], image_size)
        [protected] = attacked["pixels"][attacked["image"] == image]
        shown.append(figures.Example(clean, protected, person, predicted, target))
    return shown


def read_trajectory(trajectory: Path, faces: Path, image_size: tuple[int, int]) -> figures.Trajectory:
    """What Figure 2 shows of one model: the iterates of one image from the noise start, and the image itself.

    trajectory: rows of image, step and pixels. faces: the zip of the originals. image_size: height, width.
    """
    iterates = np.load(trajectory)
    [clean] = read_images(faces, [str(iterates["image"][0])], image_size)
    return figures.Trajectory(iterates["pixels"], iterates["step"].tolist(), clean)


if __name__ == "__main__":
    run(main)

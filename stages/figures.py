"""Figures 1 and 2 in the paper's form, and the plots."""

from pathlib import Path

import numpy as np
import pandas as pd

from pfgvm.report import figures
from pfgvm.report.plots.descriptions import PLOTS
from pfgvm.report.plots.drawing import svg
from pfgvm.report.plots.learning_curves import learning_curves
from pfgvm.report.plots.persons import persons_figure
from pfgvm.report.plots.recognition import recognition_figure
from pfgvm.report.plots.survival import survival_figure
from pfgvm.report.plots.trade_off import trade_off
from pfgvm.report.plots.visibility import visibility_figure
from pfgvm.report.words import model_name
from stages.common.curve_values import values_used
from stages.common.data_frames import read_numbers, read_table
from stages.common.face_archive import read_images
from stages.common.files import atomic_write
from stages.common.program import read_settings, run
from stages.common.training_records import read_records


def main(
    *, scores: Path, faces: Path, models: Path, adversarial: Path, trajectories: Path, tables: Path, out: Path
) -> None:
    """Write figure1 and figure2, PNG files, and the plots of PLOTS, SVG files, into the folder `out`.

    tables: the folder of the CSV tables that PLOTS names.
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
    epochs_used = {model: record.epoch_used for model, record in records.items()}
    found = {name: read_numbers(tables / name) for plot in PLOTS.values() for name in plot.sources}
    histories = dict(iter(found["learning_curves.csv"].groupby("model")))
    used = {key: value for key, (_, value) in values_used(read_settings().attack).items()}
    plots = {
        "recognition": recognition_figure(found["recognition.csv"], headings),
        "visibility": visibility_figure(found["visibility.csv"]),
        "survival": survival_figure(found["survival.csv"], headings),
        "curves": trade_off(found["curves.csv"], used, headings),
        "persons": persons_figure(found["persons.csv"], found["recognised_persons.csv"], descriptors),
        "learning_curves": learning_curves(histories, epochs_used, headings),
    }
    files = {
        "figure1.png": figures.png(figures.figure1(shown, headings)),
        "figure2.png": figures.png(figures.figure2(followed, headings)),
        **{f"{name}.svg": svg(plot, prefix=name, title=PLOTS[name].title) for name, plot in plots.items()},
    }
    for name, content in files.items():
        with atomic_write(out / name) as path:
            path.write_bytes(content)


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

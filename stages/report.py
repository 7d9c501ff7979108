"""Tables 1 to 4, Figures 1 and 2, the learning curves and one offline page, ours beside the paper's."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from pfgvm.report import comparison, figures, tables
from pfgvm.report.comparison import model_name
from pfgvm.report.markup import latex, markdown
from pfgvm.report.page import origin, page
from stages.faces import read_images
from stages.io import read_settings, run, write_whole
from stages.tables import read_table


def main(faces: Path, split: Path, scores: Path, models: Path, adversarial: Path, out: Path) -> None:
    """Write the report into `out`, the folder of paper.yaml and the page's template."""
    settings = read_settings()
    image_size = settings.data.image_size
    records = [json.loads(path.read_text("utf-8")) for path in sorted(models.glob("*/training.json"))]
    descriptors = {record["model"]: record["descriptor"] for record in records}
    scored = read_scores(scores)
    paper = YAML(typ="safe", pure=True).load(out / "paper.yaml")

    numbers = {
        "table1": tables.architecture(records),
        "table2": tables.attack_parameters(settings),
        "table3": tables.results(scored, descriptors),
        "table4": tables.training(records),
    }
    frozen = {record["model"]: record["frozen"] for record in records}
    printed = {
        "table1": comparison.table1(numbers["table1"], paper, descriptors),
        "table2": comparison.table2(numbers["table2"], paper, descriptors),
        "table3": comparison.table3(numbers["table3"], paper, descriptors),
        "table3_full": comparison.table3_full(numbers["table3"], descriptors),
        "table4": comparison.table4(numbers["table4"], paper, frozen),
    }
    examples = {
        model: read_examples(tables.examples(scored, model), faces, adversarial / model, image_size)
        for model in descriptors
    }
    evolutions = {model: read_evolution(faces, adversarial / model, image_size) for model in descriptors}
    histories = {model: pd.read_csv(models / model / "history.csv") for model in descriptors}
    used = {record["model"]: record["epoch_used"] for record in records}
    headings = {model: model_name(model, descriptors) for model in descriptors}
    pictures = {
        "figure1": figures.png(figures.figure1(examples, headings)),
        "figure2": figures.png(figures.figure2(evolutions, headings)),
        "learning_curves": figures.png(figures.learning_curves(histories, used, headings)),
    }

    files = {f"{name}.png": picture for name, picture in pictures.items()}
    for name, frame in numbers.items():
        forms = [printed[key] for key in printed if key.startswith(name)]
        files[f"{name}.csv"] = frame.to_csv(index=False, lineterminator="\n").encode()
        files[f"{name}.md"] = "\n".join(map(markdown, forms)).encode()
        files[f"{name}.tex"] = "\n".join(map(latex, forms)).encode()
    files["metrics.json"] = json.dumps(tables.metrics(numbers["table3"], numbers["table4"]), indent=2).encode()
    template = (out / "index.html.j2").read_text("utf-8")
    made_from = origin(settings, records, read_table(split), numbers["table3"], paper)
    files["index.html"] = page(template, printed, pictures, made_from).encode()
    for name, content in files.items():
        with write_whole(out / name) as path:
            path.write_bytes(content)


def read_scores(path: Path) -> pd.DataFrame:
    """The scores, names as strings and measures as numbers."""
    return read_table(path).astype(dict.fromkeys(["l2", "linf", "mssim", "mssim_legacy"], float))


def read_examples(
    rows: pd.DataFrame, faces: Path, adversarial: Path, image_size: tuple[int, int]
) -> list[figures.Example]:
    """What Figure 1 shows of one model: the images of `rows` (of its scores) before and after P-FGVM."""
    attacked = np.load(adversarial / "p_fgvm.npy", mmap_mode="r")
    examples = []
    for row in rows.itertuples():
        [clean] = read_images(faces, [row.image], image_size)
        [protected] = attacked["pixels"][attacked["image"] == row.image]
        examples.append(figures.Example(clean, protected, row.person, row.predicted, row.target))
    return examples


def read_evolution(faces: Path, adversarial: Path, image_size: tuple[int, int]) -> figures.Evolution:
    """What Figure 2 shows of one model: the iterates of one image from the noise start, and the image."""
    iterates = np.load(adversarial / "noise_iterates.npy")
    [clean] = read_images(faces, [str(iterates["image"][0])], image_size)
    return figures.Evolution(iterates["pixels"], iterates["step"].tolist(), clean)


if __name__ == "__main__":
    run(main)

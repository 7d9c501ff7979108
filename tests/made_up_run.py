"""A run that nobody made: every file that the stages of the report read, with names as wild as users' own."""

import io
import zipfile
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pfgvm.evaluation.findings.trade_off import CURVES_COLUMNS, EQUAL_MR_COLUMNS
from pfgvm.report import tables
from pfgvm.report.plots.descriptions import PLOTS
from pfgvm.settings import MODEL_NAMES
from stages import figures as figures_stage
from stages import finding as finding_stage
from stages import page as page_stage
from stages import pictures as pictures_stage
from stages import protection as protection_stage
from stages import tables as tables_stage
from stages.common.adversarial_set import row_type
from stages.common.face_archive import read_images
from tests.records import training_record

ROOT = Path(__file__).parent.parent
FIGURES = {"figure1.png", "figure2.png", *(f"{name}.svg" for name in PLOTS)}
TABLES = {"differences.csv", "persons.csv", "learning_curves.csv", "references.csv", "metrics.json", "report.json"}
TABLES |= {"protection.md", "protection.json"}
# The evaluation's tables, of which nothing was asked.
NOT_RUN = {name: table.columns for name, table in finding_stage.TABLES.items()}
NOT_RUN |= {"curves": CURVES_COLUMNS, "equal_mr": EQUAL_MR_COLUMNS}
TABLES |= {f"{name}.csv" for name in NOT_RUN}
TABLES |= {f"table{n}.{form}" for n, form in product((1, 2, 3, 4), ("csv", "md", "tex"))}
FILES = {"index.html"} | FIGURES | TABLES
KEYS = {"P-FGVM": "p_fgvm", "I-FGVM": "i_fgvm", "I-FGSM": "i_fgsm", "P-FGVM (noise)": "p_fgvm_noise"}
KEYS |= {"Random (equal L2)": "random_equal_l2"}
METHODS = list(KEYS)


def pictures(persons: list[str], count: int, image_size: tuple[int, int]) -> dict[str, tuple[str, bytes]]:
    """Pictures by file name, each with its person."""
    made = {}
    for number, (person, _) in enumerate(product(persons, range(count))):
        buffer = io.BytesIO()
        Image.new("RGB", image_size[::-1], (10 * number % 256, 120, 90)).save(buffer, "png")
        made[f"{number:06}.png"] = (person, buffer.getvalue())
    return made


def fabricate(folder: Path, made: dict[str, tuple[str, bytes]], image_size: tuple[int, int]) -> dict[str, Path]:
    """Files as the stages before would leave them, for a run on `made`; the paths of all."""
    random = np.random.default_rng(0)
    persons = sorted({person for person, _ in made.values()})
    with zipfile.ZipFile(folder / "faces.zip", "w") as archive:
        for name, (_, content) in made.items():
            archive.writestr(name, content)
    splits = dict(zip(made, ["train", "train", "validation", "test"] * len(made), strict=False))
    pd.DataFrame(
        [(name, person, splits[name]) for name, (person, _) in made.items()], columns=["image", "person", "split"]
    ).to_csv(folder / "split.csv", index=False)
    scores = []
    for model in MODEL_NAMES:
        sets = {
            method: np.zeros(len(made), row_type(method, "", list(made), persons, image_size)) for method in METHODS
        }
        for number, (name, (person, _)) in enumerate(made.items()):
            target = persons[(persons.index(person) + 1) % len(persons)]
            [clean] = read_images(folder / "faces.zip", [name], image_size)
            for place, (method, rows) in enumerate(sets.items(), start=1):
                noise = random.normal(0, 0.012 * place, clean.shape)
                rows[number] = (method, model, "", name, target, np.clip(clean + noise, 0, 1))
            for method, pixels in product(METHODS, tables.PIXELS):
                kept = method.startswith("Random") or random.random() < 0.1
                predicted = person if kept else target
                l2 = 3 + METHODS.index(method) + random.random()
                mssim, legacy = 0.95 + 0.01 * random.random(), 0.98 + 0.01 * random.random()
                row = (name, person, splits[name], model, method, pixels, target, person, predicted)
                scores.append((*row, l2, 0.02, mssim, legacy, 0.4 + 0.5 * random.random(), random.random()))
        for method, rows in sets.items():
            path = folder / "adversarial" / model / f"{KEYS[method]}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, rows)
        steps = [0, 1, 2, 5, 10, 20, 50]
        trajectory = np.zeros(len(steps), [("image", "U40"), ("step", "i4"), ("pixels", "f4", (3, *image_size))])
        for row, step in enumerate(steps):
            start = random.normal(0.5, 0.25, clean.shape)
            trajectory[row] = (name, step, clean + 0.78**step * (start - clean))
        (folder / "trajectories").mkdir(exist_ok=True)
        np.save(folder / "trajectories" / f"{model}.npy", trajectory)
        write_training(folder / "models" / model, model, persons, len(made), image_size)
    columns = [*"image person split model method pixels target predicted_clean predicted".split()]
    columns += ["l2", "linf", "mssim", "mssim_legacy", "confidence_clean", "confidence"]
    pd.DataFrame(scores, columns=columns).to_csv(folder / "scores.csv", index=False)
    (folder / "reports").mkdir()
    paths = {"faces": "faces.zip", "split": "split.csv", "scores": "scores.csv", "models": "models"}
    paths |= {"adversarial": "adversarial", "trajectories": "trajectories", "reports": "reports"}
    paths |= {"shown": "shown.json"}
    return {name: folder / path for name, path in paths.items()}


def write_tables(run: Mapping[str, Path]) -> None:
    """Run the stage tables on the files of `run`."""
    inputs = {name: run[name] for name in ("scores", "split", "models")}
    tables_stage.main(**inputs, paper=ROOT / "reports" / "paper.yaml", out=run["reports"])
    for name, columns in NOT_RUN.items():
        pd.DataFrame(columns=columns).to_csv(run["reports"] / f"{name}.csv", index=False)


def draw_figures(run: Mapping[str, Path]) -> None:
    """Run the stage figures on the files of `run`."""
    inputs = {name: run[name] for name in ("scores", "faces", "models", "adversarial", "trajectories")}
    figures_stage.main(**inputs, tables=run["reports"], out=run["reports"])


def show_pictures(run: Mapping[str, Path], recognised: Path) -> None:
    """Run the stage pictures on the files of `run`."""
    inputs = {name: run[name] for name in ("scores", "faces", "adversarial", "trajectories")}
    pictures_stage.main(**inputs, recognised=recognised, out=run["reports"] / "faces", shown=run["shown"])


def write_page(run: Mapping[str, Path], reports: Path) -> None:
    """Run the stage page on the report in `reports`, and on the plots and faces of `run`."""
    protection_stage.main(tables=reports, out=reports)
    made = {"report": reports / "report.json", "protection": reports / "protection.json", "faces": run["shown"]}
    templates = ROOT / "reports" / "page"
    page_stage.main(**made, plots=run["reports"], templates=templates, out=reports / "index.html")


def write_training(folder: Path, model: str, persons: list[str], images: int, image_size: tuple[int, int]) -> None:
    """What training leaves beside the weights."""
    folder.mkdir(parents=True)
    height, width = image_size
    sizes = {"images": images, "train_size": images // 2, "validation_size": images // 4, "test_size": images // 4}
    record = training_record(model, classes=persons, image_height=height, image_width=width, **sizes)
    (folder / "training.json").write_text(record.model_dump_json(), "utf-8")
    epochs = np.arange(1, 148)
    loss = 2 * np.exp(-epochs / 30) + 0.01
    history = {"epoch": epochs, "train_loss": loss, "train_accuracy": 1 - loss / 3}
    history |= {"validation_loss": loss + 0.3, "validation_accuracy": 0.75 - loss / 4}
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)

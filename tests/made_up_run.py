"""A synthetic run: every file that the stages of both reports read, at its path in the pipelines."""

import io
import zipfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from PIL import Image
from ruamel.yaml import YAML

from pfgvm.evaluation.findings.adaptive_attackers import ADAPTIVE_COLUMNS, SHARES
from pfgvm.evaluation.findings.enrolment import PAIRS_COLUMNS, THRESHOLDS_COLUMNS
from pfgvm.evaluation.findings.l2_ratios import MINIMUM_NORM_COLUMNS
from pfgvm.evaluation.findings.mean_quality import QUALITY_COLUMNS
from pfgvm.evaluation.findings.per_identity import RECOGNISED_IMAGES_COLUMNS, RECOGNISED_PERSONS_COLUMNS
from pfgvm.evaluation.findings.recognition_rates import RECOGNITION_COLUMNS
from pfgvm.evaluation.findings.robustness_rates import ROBUSTNESS_COLUMNS
from pfgvm.evaluation.findings.trade_off import CURVES_COLUMNS, EQUAL_MR_COLUMNS
from pfgvm.evaluation.findings.transfer import TRANSFER_COLUMNS
from pfgvm.evaluation.findings.visibility_rates import VISIBILITY_COLUMNS
from pfgvm.evaluation.scoring import SCORE_COLUMNS
from pfgvm.evaluation.transforms import POST_PROCESSING, PURIFIERS
from pfgvm.methods import PAPER_METHODS, label_of
from pfgvm.report import table_data
from pfgvm.report.plots.descriptions import PAPER_PLOTS
from pfgvm.settings import MODEL_NAMES
from stages import figures, page, pictures
from stages import tables as paper_tables
from stages.adversarial.adversarial_set import row_type
from stages.common import program
from stages.common.data_frames import read_table, write_table
from stages.common.face_archive import read_images
from stages.evaluation import figures as evaluation_figures
from stages.evaluation import page as evaluation_page
from stages.evaluation import pictures as evaluation_pictures
from stages.evaluation import tables as evaluation_tables
from tests.committed_settings import changed
from tests.project import ROOT
from tests.records import training_record

TEMPLATES = ROOT / "reports/page"
KEYS = ("p_fgvm", "i_fgvm", "i_fgsm", "p_fgvm_noise", "random_equal_l2")
METHODS = [label_of(key) for key in KEYS]
# The files that the paper's stages write to reports/.
FILES = {"index.html", "figure1.png", "figure2.png", "metrics.json", "report.json"}
FILES |= {f"{name}.svg" for name in PAPER_PLOTS} | {f"{name}.csv" for name in ("differences", "persons")}
FILES |= {"learning_curves.csv", *(f"table{n}.{form}" for n, form in product((1, 2, 3, 4), ("csv", "md", "tex")))}

# The evaluation's sets without an attacked model; the last is another tool's.
TOOL = "Fawkes <b>"
ADDED = {"clean": "clean", "p_fgvm_features": "p_fgvm_features", "external": TOOL}
RECOGNISERS = ("dlib", "sface", "mine")


def images_of(persons: Sequence[str], count: int, image_size: tuple[int, int]) -> dict[str, tuple[str, bytes]]:
    """`count` images of each of `persons`: name -> identity and PNG file."""
    made = {}
    for number, (person, _) in enumerate(product(persons, range(count))):
        buffer = io.BytesIO()
        Image.new("RGB", image_size[::-1], (10 * number % 256, 120, 90)).save(buffer, "png")
        made[f"{number:06}.png"] = (person, buffer.getvalue())
    return made


def fabricate(folder: Path, images: dict[str, tuple[str, bytes]], image_size: tuple[int, int]) -> Path:
    """Write the inputs of the paper's report for a run on `images` to `folder`."""
    data = folder / "data"
    data.mkdir()
    YAML(typ="safe", pure=True).dump(changed({"data.image_size": list(image_size)}), folder / "params.yaml")
    with zipfile.ZipFile(data / "faces.zip", "w") as archive:
        for name, (_, content) in images.items():
            archive.writestr(name, content)
    splits = ["train", "train", "validation", "test"] * len(images)
    rows = [(name, person, split) for (name, (person, _)), split in zip(images.items(), splits, strict=False)]
    write_table(pd.DataFrame(rows, columns=["image", "person", "split"]), data / "split.csv")
    scores = []
    for model in MODEL_NAMES:
        for place, key in enumerate(KEYS, start=1):
            _write_set(folder, f"adversarial/{model}/{key}.npy", key, model, image_size, noise=0.012 * place)
            missed = 0 if key == "random_equal_l2" else 0.9
            scores.append(_scores(folder, model, label_of(key), 2 + place, missed=missed))
        _write_trajectory(folder, model, image_size)
        _write_training(data / "models" / model, model, sorted({person for person, _ in images.values()}), image_size)
    write_table(pd.concat(scores), data / "scores.csv")
    return folder


def fabricate_evaluation(folder: Path, image_size: tuple[int, int]) -> None:
    """Write the inputs of the evaluation's report for the run in `folder`."""
    for place, (name, key) in enumerate(ADDED.items()):
        _write_set(folder, f"evaluation/adversarial/any/{name}.npy", key, "", image_size, noise=0.02 * place)
        scores = [_scores(folder, model, key, place, missed=0.1, target="") for model in MODEL_NAMES]
        write_table(pd.concat(scores), folder / "data/evaluation/scores/any" / f"{name}.csv")
    for name, table in _findings(read_table(folder / "data/split.csv")).items():
        write_table(table, folder / "reports/evaluation" / f"{name}.csv")


def write_tables(run: Path, scores: Path | None = None, out: Path | None = None) -> None:
    """Run the paper's stage tables in the folder `run`, optionally on other `scores` and with another output folder."""
    data = run / "data"
    inputs = {"scores": scores or data / "scores.csv", "split": data / "split.csv", "models": data / "models"}
    with _settings(run):
        paper_tables.main(**inputs, paper=ROOT / "reports/paper.yaml", out=out or run / "reports")


def draw_figures(run: Path) -> None:
    """Run the paper's stage figures."""
    inputs = {name: run / "data" / name for name in ("models", "adversarial", "trajectories")}
    inputs |= {"scores": run / "data/scores.csv", "faces": run / "data/faces.zip"}
    figures.main(**inputs, tables=run / "reports", out=run / "reports")


def write_pictures(run: Path) -> None:
    """Run the paper's stage pictures."""
    inputs = {name: run / "data" / name for name in ("adversarial", "trajectories")}
    inputs |= {"scores": run / "data/scores.csv", "faces": run / "data/faces.zip"}
    with _settings(run):
        pictures.main(**inputs, out=run / "reports/faces", shown=run / "data/shown.json")


def write_page(run: Path, reports: Path | None = None) -> None:
    """Run the paper's stage page, optionally on the tables in the folder `reports`."""
    folder = reports or run / "reports"
    inputs = {"report": folder / "report.json", "faces": run / "data/shown.json", "plots": run / "reports"}
    page.main(**inputs, templates=TEMPLATES, out=folder / "index.html")


def write_report(run: Path) -> None:
    """Run all stages of the paper's report."""
    for stage in (write_tables, draw_figures, write_pictures, write_page):
        stage(run)


def write_evaluation(run: Path) -> None:
    """Run all stages of the evaluation's report; those of the paper's report come first."""
    data, evaluation, out = run / "data", run / "data/evaluation", run / "reports/evaluation"
    scores = {"scores": evaluation / "scores", "paper_scores": data / "scores.csv"}
    sets = {"paper_adversarial": data / "adversarial", "adversarial": evaluation / "adversarial"}
    images = {"recognised": out / "recognised_images.csv", "faces": data / "faces.zip"}
    with _settings(run):
        evaluation_tables.main(**scores, models=data / "models", tables=out, out=out)
        evaluation_figures.main(models=data / "models", tables=out, out=out)
        evaluation_pictures.main(**scores, **sets, **images, out=out / "faces", shown=evaluation / "shown.json")
    made = {"report": out / "report.json", "faces": evaluation / "shown.json", "plots": out}
    evaluation_page.main(**made, templates=TEMPLATES, out=out / "index.html")


def _settings(run: Path) -> mock._patch:
    """Patch the path of params.yaml to that of the run."""
    return mock.patch.object(program, "SETTINGS", run / "params.yaml")


def _random(*key: str) -> np.random.Generator:
    return np.random.default_rng(list("".join(key).encode()))


def _targets(split: pd.DataFrame) -> list[str]:
    persons = sorted(set(split["person"]))
    return [persons[(persons.index(person) + 1) % len(persons)] for person in split["person"]]


def _write_set(folder: Path, name: str, key: str, model: str, image_size: tuple[int, int], *, noise: float) -> None:
    split = read_table(folder / "data/split.csv")
    names, targets = list(split["image"]), _targets(split) if model else [""] * len(split)
    rows = np.zeros(len(split), row_type(key, "", names, sorted(split["person"]), image_size))
    clean = read_images(folder / "data/faces.zip", names, image_size)
    rows["method"], rows["model"], rows["image"], rows["target"] = key, model, names, targets
    rows["pixels"] = np.clip(clean + noise * _random(name).normal(size=clean.shape), 0, 1)
    path = folder / "data" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, rows)


def _scores(
    folder: Path, model: str, method: str, l2: float, *, missed: float, target: str | None = None
) -> pd.DataFrame:
    """Scores of all images; the share `missed` of them is classified as the target."""
    split, random = read_table(folder / "data/split.csv"), _random(model, method)
    targets = _targets(split)
    parts = []
    for pixels in table_data.PIXELS:
        predicted = np.where(random.random(len(split)) < missed, targets, split["person"])
        table = split.assign(model=model, method=method, pixels=pixels, target=targets if target is None else target)
        table = table.assign(predicted_clean=split["person"], predicted=predicted, linf=0.02)
        ranges = {"l2": (l2, 1), "mssim": (0.95, 0.01), "mssim_legacy": (0.98, 0.01)}
        ranges |= {"confidence_clean": (0.4, 0.5), "confidence": (0, 1)}
        drawn = {name: low + width * random.random(len(split)) for name, (low, width) in ranges.items()}
        parts.append(table.assign(**drawn))
    return pd.concat(parts)[SCORE_COLUMNS]


def _write_trajectory(folder: Path, model: str, image_size: tuple[int, int]) -> None:
    image = read_table(folder / "data/split.csv")["image"].iloc[-1]
    [clean] = read_images(folder / "data/faces.zip", [image], image_size)
    steps = [0, 1, 2, 5, 10, 20, 50]
    rows = np.zeros(len(steps), [("image", "U40"), ("step", "i4"), ("pixels", "f4", (3, *image_size))])
    start = _random(model).normal(0.5, 0.25, clean.shape)
    for row, step in enumerate(steps):
        rows[row] = (image, step, clean + 0.78**step * (start - clean))
    (folder / "data/trajectories").mkdir(exist_ok=True)
    np.save(folder / "data/trajectories" / f"{model}.npy", rows)


def _write_training(folder: Path, model: str, persons: list[str], image_size: tuple[int, int]) -> None:
    folder.mkdir(parents=True)
    record = training_record(model, classes=persons, image_height=image_size[0], image_width=image_size[1])
    (folder / "training.json").write_text(record.model_dump_json(), "utf-8")
    epochs = np.arange(1, 148)
    loss = 2 * np.exp(-epochs / 30) + 0.01
    history = {"epoch": epochs, "train_loss": loss, "train_accuracy": 1 - loss / 3}
    history |= {"validation_loss": loss + 0.3, "validation_accuracy": 0.75 - loss / 4}
    write_table(pd.DataFrame(history), folder / "history.csv")


def _findings(split: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Every table that the evaluation's report reads or links, by name, with random rates."""
    methods = [*METHODS, *map(label_of, ADDED.values())]
    sets = [{"model": model, "method": method} for model, method in product(MODEL_NAMES, methods)]
    recognisers = [{"recogniser": name} for name in RECOGNISERS]
    per_recogniser = [
        row | recogniser | {"seen": row["model"] == "B" and recogniser["recogniser"] == "dlib"}
        for row in sets
        for recogniser in recognisers
    ]
    fixed = {"images": len(split), "note": "", "fmr": 0.01, "rank_clean": 1, "rank_protected": 3}

    def table(columns: Sequence[str], rows: Sequence[dict], *keys: dict) -> pd.DataFrame:
        given = [fixed | row | key for row in rows for key in keys or [{}]]
        drawn = _random(*columns).random((len(given), len(columns))).round(3).tolist()
        rates_rows = [dict(zip(columns, rates, strict=True)) | row for rates, row in zip(drawn, given, strict=True)]
        return pd.DataFrame(rates_rows, columns=columns)

    names, persons = ([{name: text} for text in dict.fromkeys(split[name])] for name in ("image", "person"))
    attackers = [
        {"attacker": "retrained", "share": share} | recogniser for share in SHARES for recogniser in recognisers
    ]
    attackers += [{"attacker": "growing gallery", "share": np.nan} | recogniser for recogniser in recognisers]
    attackers += [{"attacker": name, "share": np.nan, "recogniser": ""} for name in (*PURIFIERS, "detector")]
    curves = [row for row in sets if row["method"] in PAPER_METHODS]
    values = [{"parameter": "lambda", "value": value, "of_settings": value == 0.2} for value in (0.1, 0.2, 0.4)]
    robustness = [*ROBUSTNESS_COLUMNS, *(f"{name}_{end}" for name in RECOGNISERS for end in ("tmr", "low", "high"))]
    return {
        "recognition": table(RECOGNITION_COLUMNS, per_recogniser, {"fmr": 0.01}, {"fmr": 0.001}),
        "thresholds": table(THRESHOLDS_COLUMNS, recognisers),
        "pairs": table(PAIRS_COLUMNS, []),
        "recognised_persons": table(RECOGNISED_PERSONS_COLUMNS, per_recogniser, *persons),
        "recognised_images": table(RECOGNISED_IMAGES_COLUMNS, per_recogniser, *names),
        "transfer": table(TRANSFER_COLUMNS, [row | {"judge": {"A": "B", "B": "A"}[row["model"]]} for row in sets]),
        "robustness": table(robustness, sets, *({"transform": name} for name in POST_PROCESSING)),
        "adaptive": table(ADAPTIVE_COLUMNS, sets, *attackers),
        "minimum_norm": table(MINIMUM_NORM_COLUMNS, curves),
        "equal_mr": table(EQUAL_MR_COLUMNS, curves, {"other": "P-FGVM"}),
        "quality": table(QUALITY_COLUMNS, sets),
        "visibility": table(VISIBILITY_COLUMNS, per_recogniser, *({"strength": value} for value in (0.5, 1.0, 2.0))),
        "curves": table(CURVES_COLUMNS, curves, *values),
    }

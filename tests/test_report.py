"""The report stage on a small made-up run: every file, whole, deterministic and readable offline."""

import io
import json
import shutil
import zipfile
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pfgvm.errors import InputError
from pfgvm.report import tables
from pfgvm.settings import Settings
from stages import report

ROOT = Path(__file__).parent.parent
FILES = {"metrics.json", "index.html", "figure1.png", "figure2.png", "learning_curves.png"}
FILES |= {f"table{n}.{form}" for n, form in product((1, 2, 3, 4), ("csv", "md", "tex"))}
PERSONS = ["<b>Ann & Bo</b>", "0042", "NA", "c_$x$"]
IMAGE_SIZE = (40, 32)


def pictures(persons: list[str], count: int, image_size: tuple[int, int]) -> dict[str, tuple[str, bytes]]:
    """Plain pictures by file name, each with its person."""
    made = {}
    for number, (person, _) in enumerate(product(persons, range(count))):
        buffer = io.BytesIO()
        Image.new("RGB", image_size[::-1], (10 * number % 256, 120, 90)).save(buffer, "png")
        made[f"{number:06}.png"] = (person, buffer.getvalue())
    return made


def fabricate(folder: Path, made: dict[str, tuple[str, bytes]], image_size: tuple[int, int]) -> dict[str, Path]:
    """Files as the stages before would leave them, for a run on `made`; the arguments of the report stage."""
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
    for model in tables.MODELS:
        cell = folder / "adversarial" / model
        cell.mkdir(parents=True)
        attacked = np.zeros(len(made), [("image", "U40"), ("target", "U40"), ("pixels", "f4", (3, *image_size))])
        for number, (name, (person, _)) in enumerate(made.items()):
            target = persons[(persons.index(person) + 1) % len(persons)]
            [clean] = report.read_images(folder / "faces.zip", [name], image_size)
            noise = random.normal(0, 0.012, clean.shape)
            attacked[number] = (name, target, np.clip(clean + noise, 0, 1))
            for method, pixels in product(tables.METHODS, tables.PIXELS):
                kept = method.startswith("Random") or random.random() < 0.1
                predicted = person if kept else target
                l2 = 3 + tables.METHODS.index(method) + random.random()
                mssim, legacy = 0.95 + 0.01 * random.random(), 0.98 + 0.01 * random.random()
                row = (name, person, splits[name], model, method, pixels, target, person, predicted)
                scores.append((*row, l2, 0.02, mssim, legacy))
        np.save(cell / "p_fgvm.npy", attacked)
        steps = [0, 1, 2, 5, 10, 20, 50]
        evolution = np.zeros(len(steps), [("image", "U40"), ("step", "i4"), ("pixels", "f4", (3, *image_size))])
        for row, step in enumerate(steps):
            start = random.normal(0.5, 0.25, clean.shape)
            evolution[row] = (name, step, clean + 0.78**step * (start - clean))
        np.save(cell / "noise_iterates.npy", evolution)
        write_training(folder / "models" / model, model, persons, len(made), image_size)
    columns = [*"image person split model method pixels target predicted_clean predicted".split()]
    columns += ["l2", "linf", "mssim", "mssim_legacy"]
    pd.DataFrame(scores, columns=columns).to_csv(folder / "scores.csv", index=False)
    (folder / "reports").mkdir()
    for name in ("paper.yaml", "index.html.j2"):
        shutil.copy(ROOT / "reports" / name, folder / "reports" / name)
    arguments = {"faces": "faces.zip", "split": "split.csv", "scores": "scores.csv"}
    arguments |= {"models": "models", "adversarial": "adversarial", "out": "reports"}
    return {name: folder / path for name, path in arguments.items()}


def write_training(folder: Path, model: str, persons: list[str], images: int, image_size: tuple[int, int]) -> None:
    """What training leaves beside the weights."""
    folder.mkdir(parents=True)
    layer = {"layer": f"FC({len(persons)})+Softmax", "output": str(len(persons)), "parameters": 2056}
    facts = {
        "model": model,
        "descriptor": "none" if model == "A" else "dlib",
        "descriptor_sha256": None if model == "A" else "ab" * 32,
        "frozen": None if model == "A" else True,
        "dataset": "synthetic",
        "image_height": image_size[0],
        "image_width": image_size[1],
        "classes": persons,
        "images": images,
        "train_size": images // 2,
        "validation_size": images // 4,
        "test_size": images // 4,
        "learning_rate": 0.0001,
        "batch_size": 16,
        "epochs": 147,
        "epoch_used": 120,
        "train_accuracy": 1.0,
        "validation_accuracy": 0.75,
        "test_accuracy": 2 / 3,
        "layers": [{"layer": "MaxPooling(PoolSize(2, 2), Strides(2, 2))", "output": "64", "parameters": 0}, layer],
        "device": "cpu",
        "versions": {"python": "3.11.2", "torch": "2.11.0", "system": "Linux"},
    }
    (folder / "training.json").write_text(json.dumps(facts), "utf-8")
    epochs = np.arange(1, 148)
    loss = 2 * np.exp(-epochs / 30) + 0.01
    history = {"epoch": epochs, "train_loss": loss, "train_accuracy": 1 - loss / 3}
    history |= {"validation_loss": loss + 0.3, "validation_accuracy": 0.75 - loss / 4}
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)


class Page(HTMLParser):
    """What a page loads, and its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.loaded, self.tags, self.text = [], [], ""
        self.feed(source)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.append(tag)
        self.loaded += [value for name, value in attributes if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> dict[str, Path]:
    return fabricate(tmp_path_factory.mktemp("run"), pictures(PERSONS, 4, IMAGE_SIZE), IMAGE_SIZE)


@pytest.fixture(scope="module")
def settings() -> Settings:
    committed = report.read_settings()
    return committed.model_copy(update={"data": committed.data.model_copy(update={"image_size": IMAGE_SIZE})})


@pytest.fixture
def written(run, settings, monkeypatch) -> Path:
    monkeypatch.setattr(report, "read_settings", lambda: settings)
    report.main(**run)
    return run["out"]


def test_every_file_is_written_and_nothing_else(written):
    assert {path.name for path in written.iterdir()} == FILES | {"paper.yaml", "index.html.j2"}


def test_a_second_run_writes_the_same_bytes(written, run):
    before = {name: (written / name).read_bytes() for name in FILES}
    report.main(**run)
    assert before == {name: (written / name).read_bytes() for name in FILES}


def test_csv_files_hold_the_agreed_columns(written):
    columns = {name: list(pd.read_csv(written / f"{name}.csv").columns) for name in ("table1", "table3", "table4")}
    assert columns == {
        "table1": tables.TABLE1_COLUMNS,
        "table3": tables.TABLE3_COLUMNS,
        "table4": tables.TABLE4_COLUMNS,
    }
    assert (written / "table2.csv").read_text("utf-8").splitlines()[0] == (
        "model,method,step_size,iterations,epsilon,lambda"
    )
    assert len(pd.read_csv(written / "table3.csv")) == 2 * 5 * 2


def test_metrics_are_those_of_table_3(written):
    metrics = json.loads((written / "metrics.json").read_text("utf-8"))
    table3 = pd.read_csv(written / "table3.csv").set_index(["model", "method", "pixels"])
    assert metrics["B"]["I-FGVM"]["l2"] == pytest.approx(table3.loc[("B", "I-FGVM", "float"), "l2"], rel=1e-5)
    assert metrics["A"]["test_accuracy"] == 0.666667


def test_the_page_loads_nothing_and_names_faces_descriptor_device_and_versions(written):
    page = Page((written / "index.html").read_text("utf-8"))
    assert len(page.loaded) == 3
    assert all(source.startswith("data:image/png;base64,") for source in page.loaded)
    assert not {"script", "link", "iframe"} & set(page.tags)
    for said in (
        "rendered, not photographs",
        "dlib, frozen",
        "ab" * 32,
        "cpu",
        "torch 2.11.0",
        "16 images",
        "6.25 %",
        "25.00 %",
    ):
        assert said in page.text


def test_captions_name_the_descriptor(written):
    for name in ("table1", "table2", "table3", "table4"):
        for form in ("md", "tex"):
            assert "Model B on dlib (the paper: VGG-Face)." in (written / f"{name}.{form}").read_text("utf-8")
    page = Page((written / "index.html").read_text("utf-8"))
    assert page.text.count("Model B on dlib (the paper: VGG-Face).") == 5 + 3


def test_a_failure_leaves_the_earlier_files(written, run, tmp_path):
    before = {name: (written / name).read_bytes() for name in FILES}
    wrong = tmp_path / "scores.csv"
    wrong.write_text(run["scores"].read_text("utf-8").replace("P-FGVM (noise)", "PGD"), "utf-8")
    with pytest.raises(InputError, match="PGD"):
        report.main(**run | {"scores": wrong})
    assert before == {name: (written / name).read_bytes() for name in FILES}


def test_tables_stand_without_a_method(run, settings, monkeypatch, tmp_path):
    monkeypatch.setattr(report, "read_settings", lambda: settings)
    scores = pd.read_csv(run["scores"], dtype=str, keep_default_na=False)
    fewer = tmp_path / "scores.csv"
    scores[(scores["method"] != "I-FGSM") | (scores["model"] == "A")].to_csv(fewer, index=False)
    out = tmp_path / "reports"
    shutil.copytree(run["out"], out)
    report.main(**run | {"scores": fewer, "out": out})
    [line] = [line for line in (out / "table3.md").read_text("utf-8").splitlines() if line.startswith("| I-FGSM ")]
    assert [cell.strip() for cell in line.strip("|").split("|")][5:] == ["–", "–", "–"]

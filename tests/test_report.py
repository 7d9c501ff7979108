"""The stages of the report on a small made-up run: every file, whole, deterministic and readable offline."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pfgvm.errors import InputError
from pfgvm.evaluation.findings.trade_off import CURVES_COLUMNS, EQUAL_MR_COLUMNS
from pfgvm.report import tables
from pfgvm.report.comparison import formatted_tables
from pfgvm.report.plots import PLOTS
from pfgvm.settings import MODEL_NAMES, Settings
from stages import figures as figures_stage
from stages import finding as finding_stage
from stages import page as page_stage
from stages import protection as protection_stage
from stages import tables as tables_stage
from stages.common.data_frames import read_table
from stages.common.face_archive import read_images
from stages.common.program import read_settings
from tests.records import training_record

ROOT = Path(__file__).parent.parent
FIGURES = {"figure1.png", "figure2.png"} | {f"{name}.svg" for name in PLOTS}
TABLES = {"differences.csv", "persons.csv", "references.csv", "metrics.json", "report.json"}
TABLES |= {"protection.md", "protection.json"}
# The evaluation's tables, of which nothing was asked.
NOT_RUN = {name: table.columns for name, table in finding_stage.TABLES.items()}
NOT_RUN |= {"curves": CURVES_COLUMNS, "equal_mr": EQUAL_MR_COLUMNS}
TABLES |= {f"{name}.csv" for name in NOT_RUN}
TABLES |= {f"table{n}.{form}" for n, form in product((1, 2, 3, 4), ("csv", "md", "tex"))}
FILES = {"index.html"} | FIGURES | TABLES
METHODS = ["P-FGVM", "I-FGVM", "I-FGSM", "P-FGVM (noise)", "Random (equal L2)"]
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
        adversarial = folder / "adversarial" / model
        adversarial.mkdir(parents=True)
        attacked = np.zeros(len(made), [("image", "U40"), ("target", "U40"), ("pixels", "f4", (3, *image_size))])
        for number, (name, (person, _)) in enumerate(made.items()):
            target = persons[(persons.index(person) + 1) % len(persons)]
            [clean] = read_images(folder / "faces.zip", [name], image_size)
            noise = random.normal(0, 0.012, clean.shape)
            attacked[number] = (name, target, np.clip(clean + noise, 0, 1))
            for method, pixels in product(METHODS, tables.PIXELS):
                kept = method.startswith("Random") or random.random() < 0.1
                predicted = person if kept else target
                l2 = 3 + METHODS.index(method) + random.random()
                mssim, legacy = 0.95 + 0.01 * random.random(), 0.98 + 0.01 * random.random()
                row = (name, person, splits[name], model, method, pixels, target, person, predicted)
                scores.append((*row, l2, 0.02, mssim, legacy))
        np.save(adversarial / "p_fgvm.npy", attacked)
        steps = [0, 1, 2, 5, 10, 20, 50]
        trajectory = np.zeros(len(steps), [("image", "U40"), ("step", "i4"), ("pixels", "f4", (3, *image_size))])
        for row, step in enumerate(steps):
            start = random.normal(0.5, 0.25, clean.shape)
            trajectory[row] = (name, step, clean + 0.78**step * (start - clean))
        (folder / "trajectories").mkdir(exist_ok=True)
        np.save(folder / "trajectories" / f"{model}.npy", trajectory)
        write_training(folder / "models" / model, model, persons, len(made), image_size)
    columns = [*"image person split model method pixels target predicted_clean predicted".split()]
    columns += ["l2", "linf", "mssim", "mssim_legacy"]
    pd.DataFrame(scores, columns=columns).to_csv(folder / "scores.csv", index=False)
    (folder / "reports").mkdir()
    paths = {"faces": "faces.zip", "split": "split.csv", "scores": "scores.csv", "models": "models"}
    paths |= {"adversarial": "adversarial", "trajectories": "trajectories", "reports": "reports"}
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


def write_page(reports: Path, figures: Path) -> None:
    """Run the stage page on the report in `reports` and the figures in `figures`."""
    by_hand = {"template": ROOT / "reports" / "index.html.j2", "style": ROOT / "reports" / "style.css"}
    protection_stage.main(tables=reports, out=reports)
    made = {"report": reports / "report.json", "protection": reports / "protection.json"}
    page_stage.main(**made, figures=figures, **by_hand, out=reports / "index.html")


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


@pytest.fixture(scope="module", autouse=True)
def settings() -> Iterator[Settings]:
    committed = read_settings()
    data = committed.data.model_copy(update={"image_size": IMAGE_SIZE})
    made = committed.model_copy(update={"data": data})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables_stage, "read_settings", lambda: made)
        yield made


@pytest.fixture(scope="module")
def written(run, settings) -> Path:
    write_tables(run)
    draw_figures(run)
    write_page(run["reports"], run["reports"])
    return run["reports"]


@pytest.fixture
def changed(run, written, tmp_path) -> Callable[[pd.DataFrame], Path]:
    """Write the report of other scores, on the same figures; gives its folder."""

    def write(scores: pd.DataFrame) -> Path:
        scores.to_csv(tmp_path / "scores.csv", index=False)
        reports = tmp_path / "reports"
        write_tables({**run, "scores": tmp_path / "scores.csv", "reports": reports})
        write_page(reports, written)
        return reports

    return write


def test_every_file_is_written_and_nothing_else(written):
    assert {path.name for path in written.iterdir()} == FILES


def test_a_second_run_writes_the_same_bytes(written, run):
    before = {name: (written / name).read_bytes() for name in FILES}
    write_tables(run)
    draw_figures(run)
    write_page(written, written)
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
    wrong.write_text(run["scores"].read_text("utf-8").replace("8bit", "4bit"), "utf-8")
    with pytest.raises(InputError, match="4bit"):
        write_tables({**run, "scores": wrong})
    assert before == {name: (written / name).read_bytes() for name in FILES}


def test_tables_stand_without_a_method(run, changed):
    scores = read_table(run["scores"])
    reports = changed(scores[(scores["method"] != "I-FGSM") | (scores["model"] == "A")])
    [line] = [line for line in (reports / "table3.md").read_text("utf-8").splitlines() if line.startswith("| I-FGSM ")]
    assert [cell.strip() for cell in line.strip("|").split("|")][5:] == ["–", "–", "–"]


def test_a_further_method_is_shown_after_the_paper_s(run, changed):
    scores = read_table(run["scores"])
    further = scores[scores["method"] == "I-FGSM"].assign(method="Blur & <b>")
    reports = changed(pd.concat([scores, further]))
    assert list(pd.read_csv(reports / "table3.csv")["method"].unique()) == [*METHODS[:3], "Blur & <b>", *METHODS[3:]]
    assert "Blur & <b>" in Page((reports / "index.html").read_text("utf-8")).text
    assert "Blur \\& \\textless{}b\\textgreater{}" in (reports / "table3.tex").read_text("utf-8")


def test_a_rate_over_no_image_is_null_in_report_json_and_a_dash_on_the_page(run, changed):
    reports = changed(read_table(run["scores"]).assign(predicted_clean="nobody"))
    report = json.loads((reports / "report.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert {row["mr_correct"] for row in report["table3"]} == {None}
    rows = formatted_tables(report)["table3_full"].rows
    assert {row[10] for row in rows} == {"–"}
    assert (reports / "index.html").read_text("utf-8").count('<td class="number">–</td>') >= len(rows)


def test_report_json_holds_the_tables_as_numbers(written):
    report = json.loads((written / "report.json").read_text("utf-8"), parse_constant=pytest.fail)
    table3 = pd.read_csv(written / "table3.csv")
    for name in ("l2", "mssim", "mr", "target_rate"):
        assert [row[name] for row in report["table3"]] == table3[name].tolist()
    assert all(row["mr_low"] <= row["mr"] <= row["mr_high"] for row in report["table3"])
    assert [metric["name"] for metric in report["metrics"]] == ["l2", "mssim_legacy", "mssim"]
    assert report["run"]["images"] == {"train": 8, "validation": 4, "test": 4}
    rows = formatted_tables(report)["table3_full"].rows
    assert [float(row[5]) for row in rows] == table3["l2"].round(2).tolist()


def test_the_page_holds_the_style(written):
    style = (ROOT / "reports" / "style.css").read_text("utf-8")
    assert f"<style>\n{style}</style>" in (written / "index.html").read_text("utf-8")


@pytest.mark.parametrize("stage", ["tables", "figures", "page"])
def test_the_report_is_made_without_pytorch(stage):
    # It takes seconds to load.
    program = f"import sys, stages.{stage}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)

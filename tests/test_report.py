"""The stages of the report on a small made-up run: every file, whole, deterministic and readable offline."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from pfgvm.errors import InputError
from pfgvm.report import tables
from pfgvm.report.comparison import formatted_tables
from pfgvm.settings import Settings
from stages import figures as figures_stage
from stages import pictures as pictures_stage
from stages import tables as tables_stage
from stages.common.data_frames import read_table
from stages.common.program import read_settings
from tests.made_up_run import (
    FILES,
    KEYS,
    METHODS,
    ROOT,
    draw_figures,
    fabricate,
    pictures,
    show_pictures,
    write_page,
    write_tables,
)

PERSONS = ["<b>Ann & Bo</b>", "0042", "NA", "c_$x$"]
IMAGE_SIZE = (40, 32)


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
        for stage in (tables_stage, figures_stage, pictures_stage):
            patch.setattr(stage, "read_settings", lambda: made)
        yield made


@pytest.fixture(scope="module")
def written(run, settings) -> Path:
    write_tables(run)
    draw_figures(run)
    show_pictures(run, run["reports"] / "recognised_images.csv")
    write_page(run, run["reports"])
    return run["reports"]


@pytest.fixture
def changed(run, written, tmp_path) -> Callable[[pd.DataFrame], Path]:
    """Write the report of other scores, on the same figures; gives its folder."""

    def write(scores: pd.DataFrame) -> Path:
        scores.to_csv(tmp_path / "scores.csv", index=False)
        reports = tmp_path / "reports"
        write_tables({**run, "scores": tmp_path / "scores.csv", "reports": reports})
        write_page(run, reports)
        return reports

    return write


def test_every_file_is_written_and_nothing_else(written, run):
    assert {path.name for path in written.iterdir()} == FILES | {"faces"}
    methods = {f"{model}/{key}" for model in "AB" for key in KEYS.values()}
    names = {f"{name.removesuffix('.png')}.png" for name in pd.read_csv(run["split"])["image"]}
    shown = {str(path.relative_to(written / "faces")) for path in (written / "faces").rglob("*") if path.is_file()}
    assert shown == {f"{folder}/{name}" for folder in methods | {"clean"} for name in names}


def test_a_second_run_writes_the_same_bytes(written, run):
    before = {name: (written / name).read_bytes() for name in FILES}
    write_tables(run)
    draw_figures(run)
    show_pictures(run, written / "recognised_images.csv")
    write_page(run, written)
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
    # What is not the picture itself is a link to a file beside the page, or a place on it.
    beside = {path.name for path in written.iterdir()} | {"faces/"}
    assert {source for source in page.loaded if not source.startswith(("data:image/", "#"))} <= beside
    assert sum(source.startswith("data:image/webp;base64,") for source in page.loaded) == 3
    assert not {"link", "iframe"} & set(page.tags)
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
    assert page.text.count("Model B on dlib (the paper: VGG-Face).") == 5
    assert "Model B (dlib)" in (written / "learning_curves.svg").read_text("utf-8")


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


def test_a_further_method_is_shown_after_the_others(run, changed):
    scores = read_table(run["scores"])
    further = scores[scores["method"] == "I-FGSM"].assign(method="Blur & <b>")
    reports = changed(pd.concat([scores, further]))
    assert list(pd.read_csv(reports / "table3.csv")["method"].unique()) == [*METHODS, "Blur & <b>"]
    assert "Blur & <b>" in Page((reports / "index.html").read_text("utf-8")).text
    assert "Blur \\& \\textless{}b\\textgreater{}" in (reports / "table3.tex").read_text("utf-8")


def test_a_rate_over_no_image_is_null_in_report_json_and_a_dash_on_the_page(run, changed):
    reports = changed(read_table(run["scores"]).assign(predicted_clean="nobody"))
    report = json.loads((reports / "report.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert {row["mr_correct"] for row in report["table3"]} == {None}
    rows = formatted_tables(report)["table3_full"].rows
    assert {row[10] for row in rows} == {"–"}
    assert (reports / "index.html").read_text("utf-8").count('">–</td>') >= len(rows)


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
    html = (written / "index.html").read_text("utf-8")
    for name in ("style.css", "tables.js", "viewer.js"):
        assert (ROOT / "reports" / "page" / name).read_text("utf-8").rstrip("\n") in html


@pytest.mark.parametrize("stage", ["tables", "figures", "pictures", "page"])
def test_the_report_is_made_without_pytorch(stage):
    # It takes seconds to load.
    program = f"import sys, stages.{stage}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)

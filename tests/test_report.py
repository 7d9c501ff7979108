"""The stages of both reports on a small made-up run: every file, complete, deterministic and self-contained."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from pfgvm.errors import InputError
from pfgvm.report.paper_tables import formatted_tables
from pfgvm.report.plots.descriptions import EVALUATION_PLOTS, PAPER_PLOTS
from stages.common.data_frames import read_table
from tests import made_up_run
from tests.made_up_run import FILES, KEYS, ROOT

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
def run(tmp_path_factory) -> Path:
    """A made-up run with both reports."""
    folder = tmp_path_factory.mktemp("run")
    made_up_run.fabricate(folder, made_up_run.images_of(PERSONS, 4, IMAGE_SIZE), IMAGE_SIZE)
    made_up_run.fabricate_evaluation(folder, IMAGE_SIZE)
    made_up_run.write_report(folder)
    made_up_run.write_evaluation(folder)
    return folder


@pytest.fixture
def reports(run) -> Path:
    return run / "reports"


@pytest.fixture
def changed(run, tmp_path) -> Callable[[pd.DataFrame], Path]:
    """Write the report of other scores, on the same figures; returns its folder."""

    def write(scores: pd.DataFrame) -> Path:
        scores.to_csv(tmp_path / "scores.csv", index=False)
        made_up_run.write_tables(run, tmp_path / "scores.csv", tmp_path / "reports")
        made_up_run.write_page(run, tmp_path / "reports")
        return tmp_path / "reports"

    return write


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_file_is_written_and_nothing_else(reports):
    assert {path.name for path in reports.iterdir()} == FILES | {"faces", "evaluation"}
    images = [f"{number:06}.png" for number in range(16)]
    folders = {f"{model}/{key}" for model in "AB" for key in KEYS} | {"clean"}
    assert set(contents(reports / "faces")) == {f"{folder}/{name}" for folder in folders for name in images}
    # The images of the paper's methods are in reports/faces.
    added = {f"any/{key}" for key in made_up_run.ADDED.values()}
    assert set(contents(reports / "evaluation/faces")) == {f"{folder}/{name}" for folder in added for name in images}


def test_a_second_run_writes_the_same_bytes(run, reports):
    before = contents(reports)
    made_up_run.write_report(run)
    made_up_run.write_evaluation(run)
    assert contents(reports) == before


@pytest.mark.parametrize(
    ("file", "folder", "plots"),
    [("dvc.yaml", "reports", PAPER_PLOTS), ("stages/evaluation/dvc.yaml", "reports/evaluation", EVALUATION_PLOTS)],
)
def test_each_pipeline_draws_every_plot_of_its_page_from_the_tables_that_the_plot_names(file, folder, plots):
    stages = YAML(typ="safe", pure=True).load(ROOT / file)["stages"]
    drawn = {path for out in stages["figures"]["outs"] for path in out if path.endswith(".svg")}
    assert drawn == {f"{folder}/{name}.svg" for name in plots} <= set(stages["page"]["deps"])
    assert {f"{folder}/{source}" for plot in plots.values() for source in plot.sources} <= set(
        stages["figures"]["deps"]
    )


def test_metrics_are_those_of_table_3(reports):
    metrics = json.loads((reports / "metrics.json").read_text("utf-8"))
    table3 = pd.read_csv(reports / "table3.csv").set_index(["model", "method", "pixels"])
    assert metrics["B"]["I-FGVM"]["l2"] == pytest.approx(table3.loc[("B", "I-FGVM", "float"), "l2"], rel=1e-5)
    assert metrics["A"]["test_accuracy"] == 0.666667


@pytest.mark.parametrize("page", ["index.html", "evaluation/index.html"])
def test_a_page_loads_nothing_from_elsewhere(reports, page):
    read = Page((reports / page).read_text("utf-8"))
    folder = (reports / page).parent
    # All others are links to a file of the reports, or within the page.
    links = {source.partition("#")[0] for source in read.loaded if not source.startswith("data:image/webp;base64,")}
    assert all((folder / link).resolve().is_relative_to(reports) and (folder / link).exists() for link in links)
    assert not {"link", "iframe"} & set(read.tags)


def test_the_report_names_faces_descriptor_device_and_versions(reports):
    text = Page((reports / "index.html").read_text("utf-8")).text
    for fact in ("rendered", "dlib, frozen", "ab" * 32, "cpu", "torch 2.11.0", "16 images", "6.25 %", "25.00 %"):
        assert fact in text


def test_captions_name_the_descriptor(reports):
    note = "Model B uses dlib (paper: VGG-Face)."
    for name in ("table1", "table2", "table3", "table4"):
        texts = [" ".join((reports / f"{name}.{form}").read_text("utf-8").split()) for form in ("md", "tex")]
        assert all(note in text for text in texts)
    assert Page((reports / "index.html").read_text("utf-8")).text.count(note) == 5
    for plot in ("learning_curves.svg", "evaluation/curves.svg"):
        assert "Model B (dlib)" in (reports / plot).read_text("utf-8")


def test_a_failure_leaves_the_earlier_files(run, reports, tmp_path):
    before = contents(reports)
    wrong = tmp_path / "scores.csv"
    wrong.write_text((run / "data/scores.csv").read_text("utf-8").replace("8bit", "4bit"), "utf-8")
    with pytest.raises(InputError, match="4bit"):
        made_up_run.write_tables(run, wrong)
    assert contents(reports) == before


def test_a_page_has_as_many_faces_as_the_settings_allow(run, tmp_path):
    whole = json.loads((run / "data/shown.json").read_text("utf-8"))
    assert len(whole["images"]) == 16
    sizes = [len(json.dumps(entry)) for entry in whole["images"]]
    copy = made_up_run.fabricate(tmp_path, made_up_run.images_of(PERSONS, 4, IMAGE_SIZE), IMAGE_SIZE)
    values = YAML(typ="safe", pure=True).load(copy / "params.yaml")
    values["page"]["faces_mb"] = (sum(sizes[:3]) + sizes[3] / 2) / 1e6
    YAML(typ="safe", pure=True).dump(values, copy / "params.yaml")
    made_up_run.write_pictures(copy)
    some = json.loads((copy / "data/shown.json").read_text("utf-8"))
    assert some["images"] == whole["images"][:3] and "3 of the 16" in some["note"]


def test_tables_have_a_dash_for_a_missing_method(run, changed):
    scores = read_table(run / "data/scores.csv")
    reports = changed(scores[(scores["method"] != "I-FGSM") | (scores["model"] == "A")])
    [line] = [line for line in (reports / "table3.md").read_text("utf-8").splitlines() if line.startswith("| I-FGSM ")]
    assert [cell.strip() for cell in line.strip("|").split("|")][5:] == ["–", "–", "–"]


def test_a_further_method_comes_after_the_others(run, changed):
    scores = read_table(run / "data/scores.csv")
    further = scores[scores["method"] == "I-FGSM"].assign(method="Blur & <b>")
    reports = changed(pd.concat([scores, further]))
    assert list(pd.read_csv(reports / "table3.csv")["method"].unique()) == [*made_up_run.METHODS, "Blur & <b>"]
    assert "Blur & <b>" in Page((reports / "index.html").read_text("utf-8")).text
    assert "Blur \\& \\textless{}b\\textgreater{}" in (reports / "table3.tex").read_text("utf-8")


def test_a_rate_over_no_image_is_null_in_report_json_and_a_dash_on_the_page(run, changed):
    reports = changed(read_table(run / "data/scores.csv").assign(predicted_clean="nobody"))
    report = json.loads((reports / "report.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert {row["mr_correct"] for row in report["table3"]} == {None}
    rows = formatted_tables(report)["table3_full"].rows
    assert {row[10] for row in rows} == {"–"}
    assert (reports / "index.html").read_text("utf-8").count('">–</td>') >= len(rows)


def test_report_json_has_the_tables_as_numbers(reports):
    report = json.loads((reports / "report.json").read_text("utf-8"), parse_constant=pytest.fail)
    table3 = pd.read_csv(reports / "table3.csv")
    for name in ("l2", "mssim", "mr", "target_rate"):
        assert [row[name] for row in report["table3"]] == table3[name].tolist()
    assert all(row["mr_low"] <= row["mr"] <= row["mr_high"] for row in report["table3"])
    assert [metric["name"] for metric in report["metrics"]] == ["l2", "mssim_legacy", "mssim"]
    assert report["run"]["images"] == {"train": 8, "validation": 4, "test": 4}
    rows = formatted_tables(report)["table3_full"].rows
    assert [float(row[5]) for row in rows] == table3["l2"].round(2).tolist()


def test_the_evaluations_report_has_table_3_of_the_methods_that_it_adds(reports):
    report = json.loads((reports / "evaluation/report.json").read_text("utf-8"), parse_constant=pytest.fail)
    table3 = pd.read_csv(reports / "evaluation/table3.csv")
    assert list(table3["method"].unique()) == ["Clean", "P-FGVM (features)", made_up_run.TOOL]
    [full] = [table for table in report["tables"] if table["label"] == "table:results-full"]
    assert [row[2] for row in full["rows"]] == table3["method"].tolist()
    assert report["claims"] and report["summary"]["rows"]

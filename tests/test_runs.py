"""The comparison of runs on small runs: differing settings, differences with intervals, shared faces, the page."""

import dataclasses
import io
import re
import shutil
from base64 import b64decode
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pfgvm.evaluation.statistics import difference_of_means, difference_of_rates
from pfgvm.report.runs.faces import shared_faces, shared_images, side_by_side
from pfgvm.report.runs.run import COMPARED_COLUMNS, Run, compared, differing_settings
from pfgvm.report.runs.runs_page import runs_page
from pfgvm.report.runs.runs_tables import accuracies_table, results_table, settings_table
from tests.project import ROOT

CHROMIUM = shutil.which("chromium")
TEMPLATES = {path.name: path.read_text("utf-8") for path in (ROOT / "reports/page").iterdir()}
SIZE = (40, 32)
PERSONS = {"1.png": "a", "2.png": "a", "3.png": "b", "4.png": "b"}
CHECKSUMS = {"1.png": 11, "2.png": 12, "3.png": 13, "4.png": 14}
METHOD = ("A", "P-FGVM")


def scored(l2: list[float], missed: list[int], model: str = "A", method: str = "P-FGVM", persons=None) -> pd.DataFrame:
    """Scores of one method on the images of `persons` with these L2; a misclassified image is predicted as z."""
    persons = PERSONS if persons is None else persons
    rows = [
        {"image": image, "person": person, "split": "test" if image == "4.png" else "train", "model": model}
        | {"method": method, "pixels": pixels, "target": "z", "predicted_clean": person}
        | {"predicted": "z" if wrong else person, "l2": value, "mssim": 0.9, "mssim_legacy": 1 - value / 100}
        for pixels in ("float", "8bit")
        for (image, person), value, wrong in zip(persons.items(), l2, missed, strict=True)
    ]
    return pd.DataFrame(rows)


def run(
    name: str, *scores: pd.DataFrame, faces=None, weights: str = "w", hits: int = 3, size=SIZE, settings=None
) -> Run:
    """A run of these scores, whose Model A classified `hits` of four test images correctly."""
    height, width = size
    summary = {
        "source": "synthetic", "image_height": height, "image_width": width, "persons": 2, "images_attacked": [4, 4],
        "images": {"train": 8, "validation": 4, "test": 4}, "descriptors": {"A": "none", "B": "dlib"},
        "models": [{"model": "A", "device": "cpu"}, {"model": "B", "device": "cpu"}],
    }  # fmt: skip
    training = [{"model": "A", "test_accuracy": hits / 4, "test_size": 4}]
    checksums = CHECKSUMS if faces is None else faces
    return Run(name, name * 7, settings or {}, summary, training, pd.concat(scores), checksums, {"A": weights})


FIRST = run("x", scored([1, 2, 3, 4], [1, 0, 0, 0]))


def of(table: pd.DataFrame, name: str, measure: str = "l2", key: tuple[str, str] = METHOD) -> dict:
    [row] = table[
        (table["run"] == name)
        & (table["measure"] == measure)
        & (table["model"] == key[0])
        & (table["method"] == key[1])
    ].to_dict("records")
    return row


def difference(row: dict) -> tuple[float, ...]:
    return tuple(row[name] for name in ("difference", "difference_low", "difference_high"))


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_differing_settings_have_the_value_of_each_run():
    settings = [
        {"attack": {"lambda": {"A": 0.22, "B": 0.28}, "target": "random"}, "size": [218, 178], "rate": 1, "old": True},
        {"attack": {"lambda": 0.28, "target": "least_likely"}, "size": [109, 89], "rate": 1.0, "new": None},
    ]
    runs = [run(name, FIRST.scores, settings=values) for name, values in zip("xy", settings, strict=True)]
    differing = differing_settings(runs)
    assert differing == {
        "attack.lambda.A": ["0.22", "0.28"],
        "attack.target": ["random", "least_likely"],
        "size": ["[218, 178]", "[109, 89]"],
        "old": ["true", "–"],
        "new": ["–", "null"],
    }
    table = settings_table(differing, ["x", "y"])
    assert table.names == ["Setting", "x", "y"] and table.rows[0] == ["attack.lambda.A", "0.22", "0.28"]
    assert [note.split(":")[0] for note in table.notes] == ["–"]


def test_equal_settings_do_not_differ():
    same = {"attack": {"lambda": {"A": 0.28, "B": 0.28}}}
    other = {"attack": {"lambda": 0.28}}
    assert differing_settings([run("x", FIRST.scores, settings=same), run("y", FIRST.scores, settings=other)]) == {}


# ── Numbers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_images_are_compared_in_pairs():
    table = compared([FIRST, run("y", scored([2, 2, 5, 7], [1, 1, 0, 1]))])
    assert list(table) == COMPARED_COLUMNS
    row = of(table, "y")
    # Differences: 1, 0 | 2, 3. A draw of two identities has a mean of 0.5, 1.5 or 2.5, the outer ones with 1/4 each.
    assert (row["value"], row["paired"]) == (4.0, "yes")
    assert difference(row) == pytest.approx((1.5, 0.5, 2.5))
    # Both identities have one more misclassified image.
    row = of(table, "y", "mr")
    assert row["value"] == 0.75 and difference(row) == pytest.approx((0.5, 0.5, 0.5))
    assert difference(of(table, "y", "mssim_legacy")) == pytest.approx((-0.015, -0.025, -0.005))
    first = of(table, "x")
    assert first["value"] == 2.5 and first["paired"] == "" and np.isnan(difference(first)).all()


def test_intervals_of_values_are_wilsons_and_the_bootstraps():
    table = compared([FIRST, run("y", FIRST.scores)])
    row = of(table, "x", "mr")
    # Wilson (1927): one of four, z = 1.95996.
    z2 = 1.959963984540054**2
    middle, half = (0.25 + z2 / 8) / (1 + z2 / 4), (z2 * (0.25 * 0.75 / 4 + z2 / 64)) ** 0.5 / (1 + z2 / 4)
    assert (row["low"], row["high"]) == pytest.approx((middle - half, middle + half))
    assert (of(table, "x")["low"], of(table, "x")["high"]) == (1.5, 3.5)


OTHER_IMAGES = {
    "other names": (dict(zip(("5.png", "6.png", "7.png", "8.png"), "aabb", strict=True)), None),
    "other persons": (dict(zip(PERSONS, "aacc", strict=True)), None),
    "other files under the same names": (PERSONS, CHECKSUMS | {"4.png": 99}),
}


@pytest.mark.parametrize(("persons", "faces"), OTHER_IMAGES.values(), ids=OTHER_IMAGES)
def test_other_images_are_compared_unpaired(persons, faces):
    faces = faces or dict.fromkeys(persons, 1) | CHECKSUMS
    table = compared([FIRST, run("y", scored([2, 2, 5, 7], [1, 1, 0, 1], persons=persons), faces=faces)])
    row = of(table, "y")
    # The means of a draw: 2, 4 or 6 for y, 1.5, 2.5 or 3.5 for x; both at their ends with 1/16.
    assert row["paired"] == "no"
    assert difference(row) == pytest.approx((1.5, -1.5, 4.5))


def test_a_run_of_more_images_is_unpaired():
    more = PERSONS | {"5.png": "b"}
    other = run("y", scored([1, 2, 3, 4, 5], [0] * 5, persons=more), faces=CHECKSUMS | {"5.png": 1})
    assert of(compared([FIRST, other]), "y")["paired"] == "no"


def test_every_method_that_the_first_run_and_another_have_is_compared():
    def scores(*methods: str) -> list[pd.DataFrame]:
        return [scored([1, 2, 3, 4], [1, 0, 0, 0], method=method) for method in methods]

    runs = [
        run("x", *scores("Random (equal L2)", "I-FGSM", "P-FGVM", "P-FGVM (noise)")),
        run("y", *scores("P-FGVM", "I-FGSM", "k-Same")),
        run("z", *scores("P-FGVM", "Random (equal L2)")),
    ]
    table = compared(runs)
    by_method = table[table["measure"] == "l2"].groupby("method", sort=False)["run"].agg(list).to_dict()
    assert list(by_method) == ["P-FGVM", "I-FGSM", "Random (equal L2)"]
    assert by_method == {"P-FGVM": ["x", "y", "z"], "I-FGSM": ["x", "y"], "Random (equal L2)": ["x", "z"]}


def test_test_accuracies_differ_only_between_other_models():
    same, other = run("y", FIRST.scores), run("z", FIRST.scores, weights="v", hits=1)
    table = compared([FIRST, same, other])
    row = of(table, "y", "test_accuracy", ("A", ""))
    assert (row["value"], row["paired"], difference(row)) == (0.75, "yes", (0, 0, 0))
    row = of(table, "z", "test_accuracy", ("A", ""))
    assert (row["value"], row["paired"]) == (0.25, "no")
    assert difference(row) == pytest.approx(difference_of_rates(1, 4, 3, 4))
    cells = accuracies_table(table).rows
    assert [cell[:4] for cell in cells] == [
        ["A", "x", "–", "75.0"], ["A", "y", "the first run's", "75.0"], ["A", "z", "another", "25.0"],
    ]  # fmt: skip
    assert [cell[-1] for cell in cells][:2] == ["–", "0"]


def test_the_difference_of_rates_is_newcombes():
    # Newcombe (1998), Table II: 56/70 less 48/80 by method 10.
    assert difference_of_rates(56, 70, 48, 80) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_the_interval_of_a_difference_of_means_needs_two_identities_in_both():
    middle, low, high = difference_of_means([1, 3], ["a", "b"], [1, 1], ["c", "c"])
    assert middle == 1 and np.isnan([low, high]).all()


def test_differences_have_signs():
    table = compared([FIRST, run("y", scored([2, 2, 5, 7], [1, 1, 0, 1])), run("z", FIRST.scores)])
    formatted = results_table(table, [FIRST])
    assert formatted.rows == [
        ["A", "P-FGVM", "x", "–", "2.500", "–", "0.9750", "–", "25.0", "–"],
        [
            *("A", "P-FGVM", "y", "yes", "4.000", "+1.500 (0.500 to 2.500)"),
            *("0.9600", "−0.0150 (−0.0250 to −0.0050)", "75.0", "+50.0 (50.0 to 50.0)"),
        ],
        ["A", "P-FGVM", "z", "yes", "2.500", "0", "0.9750", "0", "25.0", "0"],
    ]
    assert [len(row) for row in formatted.rows] == [len(formatted.columns)] * 3


# ── Faces ─────────────────────────────────────────────────────────────────────────────────────────────────────────


APART = {
    "size": (
        run("y", FIRST.scores, size=(20, 16)),
        ("16 x 20", "32 x 40"),
    ),
    "persons": (
        run("y", scored([1, 2, 3, 4], [0] * 4, persons=dict(zip(PERSONS, "aacc", strict=True)))),
        ("identities",),
    ),
    "images": (
        run("y", FIRST.scores, faces=dict.fromkeys(CHECKSUMS, 0)),
        ("images", "none"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("other", "words"), APART.values(), ids=APART)
def test_a_run_without_shared_faces_is_left_out_with_a_reason(other, words):
    comparable, [reason] = side_by_side([FIRST, other])
    assert comparable == [FIRST] and reason.startswith("y ") and all(word in reason for word in words)


def test_faces_are_chosen_by_the_first_run_among_shared_images():
    # Misclassified first, then test images, then by name; one image an identity; 1.png is another file in y.
    first = run("x", scored([1, 2, 3, 4], [1, 1, 0, 0]))
    other = run("y", first.scores, faces=CHECKSUMS | {"1.png": 0})
    assert shared_images([first, first], "A") == ["1.png", "4.png"]
    assert shared_images([first, other], "A") == ["2.png", "4.png"]
    assert shared_images([first, other], "B") == []


def decoded(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(b64decode(url.partition(",")[2]))).convert("RGB")).transpose(2, 0, 1)


def faces_of(runs: list[Run], seed: int = 0):
    """Shared faces of random images; those of the first and the third run are equal."""
    random = np.random.default_rng(seed)
    clean = {name: random.integers(0, 256, (3, *SIZE), dtype=np.uint8) for name in PERSONS}
    moved = [{name: pixels ^ np.uint8(1 + place % 2) for name, pixels in clean.items()} for place in range(len(runs))]
    protected = {(run_.name, *METHOD): images for run_, images in zip(runs, moved, strict=True)}
    return clean, protected, shared_faces(runs, clean, protected)


def test_images_are_exact_and_equal_results_share_an_entry():
    other = run("y", scored([2, 2, 5, 7], [1, 1, 0, 1]))
    runs = [FIRST, other, run("z", FIRST.scores)]
    clean, protected, faces = faces_of(runs)
    assert [(face.model, face.image, face.person, face.split) for face in faces] == [
        ("A", "1.png", "a", "train"), ("A", "4.png", "b", "test"),
    ]  # fmt: skip
    face = faces[1]
    assert (decoded(face.clean) == clean["4.png"]).all()
    assert face.methods["I-FGVM"] == {}
    first, second = face.methods["P-FGVM"]
    assert list(face.methods["P-FGVM"].values()) == [["x", "z"], ["y"]]
    assert (first.l2, first.before, first.after) == (4, "b", "b")
    assert (second.l2, second.before, second.after) == (7, "b", "z")
    for result, name, perturbation in ((first, "x", 10), (second, "y", 20)):
        assert (decoded(result.protected) == protected[name, *METHOD]["4.png"]).all()
        assert (decoded(result.perturbation) == perturbation).all()


# ── The page ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Loaded(HTMLParser):
    """The sources and links of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.sources, self.links = [], []
        self.feed(source)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        for name, value in attributes:
            if name in ("src", "srcset", "data", "action", "poster"):
                self.sources.append(value)
            if name == "href":
                self.links.append(value)


def written() -> str:
    """The page of three runs, of which the third has images of another size."""
    settings = {"data": {"root": "<b>faces & co</b>"}, "attack": {"lambda": 0.3}}
    other = run("y<i>", scored([2, 2, 5, 7], [1, 1, 0, 1]), settings=settings, weights="v", hits=1)
    runs = [FIRST, other, run("small", FIRST.scores, size=(20, 16))]
    _, _, faces = faces_of([FIRST, other])
    return runs_page(runs, compared(runs), faces, side_by_side(runs)[1], templates=TEMPLATES)


@pytest.fixture(scope="module")
def html() -> str:
    return written()


def test_the_page_loads_nothing_and_links_to_the_files_next_to_it(html):
    loaded = Loaded(html)
    assert len(loaded.sources) == 2 * (1 + 2 * 2)
    assert all(source.startswith("data:image/webp;base64,") for source in loaded.sources)
    assert {link for link in loaded.links if not link.startswith("#")} == {"index.html", "compare.csv"}
    assert "url(" not in html and "@import" not in html


def test_the_page_states_the_differences_and_the_runs_left_out(html):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html[html.index("<main") : html.index("</main>")]))
    assert "&lt;b&gt;faces &amp; co&lt;/b&gt;" in text and "y&lt;i&gt;" in text
    assert "+1.500 (0.500 to 2.500)" in text
    assert "16 x 20 pixels" in text and "image sizes differ" in text
    assert "b (clean), z (protected)" in text and "b (clean), b (protected)" in text


def test_a_second_page_is_the_same_to_the_byte(html):
    assert written() == html


def test_runs_that_share_nothing_have_a_page():
    other = run("y", scored([1, 2, 3, 4], [0] * 4, method="I-FGVM"))
    runs = [dataclasses.replace(FIRST, training=[]), other]
    page = runs_page(runs, compared(runs), [], side_by_side(runs)[1], templates=TEMPLATES)
    assert "No setting" in page and "no method in common" in page and "no image" in page


@pytest.mark.xdist_group("browser")
@pytest.mark.skipif(not CHROMIUM, reason="no chromium here (Debian's package of that name)")
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark"), (2560, "light")])
def test_a_browser_shows_it_at_any_width_offline_and_by_keyboard(html, tmp_path, width, scheme):
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    (tmp_path / "compare.html").write_text(html, "utf-8")
    address, troubles = (tmp_path / "compare.html").as_uri(), []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: request.url.startswith(("data:", address)) or troubles.append(request.url))
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        images = page.locator("article img").evaluate_all("all => all.map(i => [i.complete, i.naturalWidth])")
        assert images == [[True, SIZE[1]]] * 10
        # Sorted by the difference in L2 from the keyboard, missing values last.
        page.locator("#table-compared th button").nth(5).focus()
        page.keyboard.press("Enter")
        runs = page.locator("#table-compared tbody tr td:nth-child(3)").all_inner_texts()
        assert runs == ["small", "y<i>", "x"]
        violations = Axe().run(page).response["violations"]
        assert [(rule["id"], [node["html"][:120] for node in rule["nodes"]][:3]) for rule in violations] == []
        browser.close()
    assert not troubles

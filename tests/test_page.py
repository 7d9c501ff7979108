"""Both pages in a browser: first screens, controls, and numbers equal to those of the tables."""

import io
import json
import re
import shutil
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pfgvm.faces.images import to_8bit
from stages.common.data_frames import read_numbers, read_table
from tests import made_up_run

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not CHROMIUM, reason="no chromium here (Debian's package of that name)"),
]
PERSONS = ["<b>Ann & Bo</b>", "李小龍", "はな 🙂", "0042"]
SIZE = (40, 32)
IMAGES = made_up_run.images_of(PERSONS, 4, SIZE)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A made-up run with both reports."""
    folder = made_up_run.fabricate(tmp_path_factory.mktemp("a page, with # and ü"), IMAGES, SIZE)
    made_up_run.fabricate_evaluation(folder, SIZE)
    made_up_run.write_report(folder)
    made_up_run.write_evaluation(folder)
    return folder


@pytest.fixture(scope="module")
def evaluation(run) -> Path:
    """The evaluation's page."""
    return run / "reports/evaluation/index.html"


@pytest.fixture(params=["reports/index.html", "reports/evaluation/index.html"], ids=["report", "evaluation"])
def either(request, run) -> Path:
    """Both pages, one after the other."""
    return run / request.param


@pytest.fixture(scope="module")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, run) -> Iterator:
    """Open a page, by default the report, at a width and height; options: of a browser context.

    Fails if the page loads another file or writes to the console.
    """
    contexts, troubles = [], []
    allowed = ("data:", "blob:", *(path.as_uri() for path in (run / "reports").rglob("index.html")))

    def opened(width: int = 1280, height: int = 900, path: Path | None = None, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: request.url.startswith(allowed) or troubles.append(request.url))
        page.goto((path or run / "reports/index.html").as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not troubles


@pytest.fixture
def page(visit):
    return visit()


@pytest.fixture
def scores(run) -> pd.DataFrame:
    """The scores of 8-bit images, as text, by model, method and image."""
    table = read_table(run / "data/scores.csv")
    return table[table["pixels"] == "8bit"].set_index(["model", "method", "image"])


def canvas(page, name: str) -> np.ndarray:
    """The pixels of the canvas `name`, (H, W, 3)."""
    script = """name => { const c = document.getElementById(name);
        return [c.height, c.width, [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data]] }"""
    wait_until_drawn(page)
    height, width, values = page.evaluate(script, name)
    return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]


def facts(page) -> dict[str, str]:
    names, texts = (page.locator(f"#facts {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return {name: text.replace("\xa0", " ") for name, text in zip(names, texts, strict=True)}


def shown(page) -> list[str]:
    """The images in the strip."""
    return [
        label.split(",")[0] for label in page.locator("#strip button").evaluate_all("all => all.map(b => b.ariaLabel)")
    ]


def unfold(page) -> None:
    page.locator("details").evaluate_all("all => all.forEach(details => { details.open = true })")


def protected_images(path: Path) -> dict[str, np.ndarray]:
    """The 8-bit images of the set in `path`, (H, W, 3), by name."""
    return {row["image"]: to_8bit(row["pixels"]).transpose(1, 2, 0) for row in np.load(path)}


def clean_image(name: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(IMAGES[name][1])))


# ── The first screen ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_screen_has_findings_the_papers_numbers_and_images(page):
    for shown in (page.locator(".verdict"), page.locator("table.beside"), page.locator(".example")):
        box = shown.bounding_box()
        assert box["y"] + box["height"] <= 900
    text = page.locator(".verdict").inner_text()
    assert "On Model A, P-FGVM" in text and "16 images of 32 x 40 pixels" in text
    assert [len(s.split()) for s in re.split(r"[.!?]\s", text.replace("\xa0", " ")) if len(s.split()) > 25] == []
    assert page.locator(".example img").evaluate_all("all => all.map(i => i.naturalWidth)") == [32, 32, 32]


def test_next_to_the_papers_numbers_are_those_of_table_3_and_their_distance(page, run):
    table3 = pd.read_csv(run / "reports/table3.csv").set_index(["model", "method", "pixels"])
    published = {"A": [3.38, 5.31, 5.68], "B": [2.11, 2.67, 5.74]}
    growth = (218 * 178 / 40 / 32) ** 0.5
    assert page.locator("table.beside thead th").all_inner_texts().count(f"L2 × {growth:.2f}") == 2
    rows = page.locator("table.beside tbody tr").all()
    for number, (row, method) in enumerate(zip(rows, ("P-FGVM", "I-FGVM", "I-FGSM"), strict=True)):
        cells = [cell.inner_text().split("\n") for cell in row.locator("td").all()]
        for model, place in (("A", 0), ("B", 3)):
            ours, paper = table3.loc[(model, method, "float"), "l2"] * growth, published[model][number]
            assert cells[place][:2] == [f"{ours:.2f}", f"paper {paper}"]
            assert cells[place][2].startswith(f"{abs(ours - paper):.2f} ")


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_full_table_shows_the_numbers_of_table3_csv(page, run):
    table3 = pd.read_csv(run / "reports/table3.csv")
    rows = page.locator("#table-results-full tbody tr").all()
    cells = [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in rows]
    assert [row[2] for row in cells] == table3["method"].tolist()
    assert [row[5] for row in cells] == [f"{value:.2f}" for value in table3["l2"]]
    assert [row[8] for row in cells] == [f"{100 * value:.1f}" for value in table3["mr"]]


def column(page, table: str, place: int) -> list[str]:
    return page.locator(f"#{table} tbody tr:not([hidden]) td:nth-child({place + 1})").all_inner_texts()


def test_a_table_sorts_by_a_column_either_way(page, run):
    values = sorted(pd.read_csv(run / "reports/table3.csv")["l2"].round(2))
    header = page.locator("#table-results-full tr.names th").nth(5)
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert [float(cell) for cell in column(page, "table-results-full", 5)] == values
    header.locator("button").press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert [float(cell) for cell in column(page, "table-results-full", 5)] == values[::-1]
    page.locator("#table-results-full tr.names th button").nth(2).click()
    assert page.locator("#table-results-full [aria-sort]").count() == 1


def test_sorted_the_papers_row_stays_under_ours(page):
    page.locator("#table-results tr.names th button").nth(1).click()
    sides = column(page, "table-results", 1)
    assert sides == ["ours", "paper"] * 5
    ours = [float(cell.split()[0]) for cell in column(page, "table-results", 2)[::2]][:3]
    assert ours == sorted(ours)


def test_a_table_is_filtered_by_words(page):
    page.get_by_label("Filter the rows of Table 3 in full").fill("noise 8-bit")
    assert column(page, "table-results-full", 2) == ["P-FGVM (noise)"] * 2
    assert page.locator("#table-results-full .tools [role=status]").inner_text() == "2 of 20 rows"
    page.get_by_label("Filter the rows of Table 3 in full").fill("")
    assert len(column(page, "table-results-full", 2)) == 20


def test_a_table_is_copied_as_it_is_shown(visit, run):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_label("Filter the rows of Table 3 in full").fill("I-FGVM")
    copied = {}
    for form in ("TSV", "Markdown", "LaTeX"):
        page.get_by_label(f"Copy Table 3 in full as {form}").click()
        page.get_by_text(f"copied as {form}").wait_for()
        copied[form] = page.evaluate("navigator.clipboard.readText()")
    table = pd.read_csv(io.StringIO(copied["TSV"]), sep="\t")
    written = pd.read_csv(run / "reports/table3.csv").query("method == 'I-FGVM'")
    assert table["L2"].tolist() == written["l2"].round(2).tolist() and len(table) == 4
    assert "MSSIM: legacy" in table and "MR, %: correct" in table
    lines = copied["Markdown"].splitlines()
    assert lines[0].startswith("| Model | Descriptor | Method ") and len(lines) == 6
    assert re.fullmatch(r"\|( --- \|){4}( ---: \|)+", lines[1])
    assert copied["LaTeX"].startswith("\\begin{tabular}{llllr") and "MR, \\%: all" in copied["LaTeX"]
    assert copied["LaTeX"].count("\\\\\n") == 5


def test_every_table_and_plot_links_its_data_and_every_link_has_a_target(visit, either):
    page = visit(path=either)
    for figure in page.locator("figure.table, figure.plot").all():
        assert figure.locator(".source a").count() >= 1
    links = page.locator("a:not([href^='#'])").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert [link for link in links if not (either.parent / link.partition("#")[0]).exists()] == []


# ── Faces ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def wait_until_drawn(page) -> None:
    page.locator("#canvases[aria-busy=false]").wait_for()


def test_the_image_shown_is_the_published_one_to_the_bit_and_so_is_the_perturbation(page, run):
    page.locator("#model").select_option("B")
    page.locator("#method").select_option("I-FGSM")
    page.locator("#strip button").nth(2).click()
    image = shown(page)[2]
    wait_until_drawn(page)
    protected, clean = protected_images(run / "data/adversarial/B/i_fgsm.npy")[image], clean_image(image)
    assert np.array_equal(canvas(page, "before"), clean)
    assert np.array_equal(canvas(page, "after"), protected)
    page.locator("#amplify").fill("25")
    wait_until_drawn(page)
    expected = np.minimum(255, 25 * np.abs(protected.astype(int) - clean))
    assert np.array_equal(canvas(page, "perturbation"), expected) and page.locator("#times").inner_text() == "25"


def test_the_facts_of_an_image_are_those_of_the_scores(page, scores):
    page.locator("#method").select_option("I-FGVM")
    for button in page.locator("#strip button").all()[:4]:
        button.click()
        entries = facts(page)
        image = entries["Image"].split()[0]
        row = scores.loc["A", "I-FGVM", image]
        assert entries["Image"] == f"{image} ({row['split']})"
        assert entries["Identity"] == row["person"] and entries["Target"] == row["target"]
        after = entries["Protected"]
        assert row["predicted"] in after and f"{100 * float(row['confidence']):.1f} %" in after
        assert row["predicted_clean"] in entries["Clean"]
        assert (entries["L2"], entries["MSSIM"]) == (f"{float(row['l2']):.2f}", f"{float(row['mssim']):.3f}")


def test_faces_are_filtered_by_identity_and_outcome_and_sorted(page, scores):
    rows = scores.sort_index().loc["A", "P-FGVM"]
    assert sorted(shown(page)) == sorted(rows.index)
    page.locator("#person").select_option("李小龍")
    assert set(shown(page)) == set(rows.index[rows["person"] == "李小龍"])
    page.locator("#person").select_option("")
    correct = rows["predicted"] == rows["person"]
    for outcome, selected in (("misclassified", ~correct), ("correct", correct)):
        page.locator("#outcome").select_option(outcome)
        assert set(shown(page)) == set(rows.index[selected])
        assert page.locator("#none").is_visible() == (not selected.any())
    page.locator("#outcome").select_option("")
    for order, measure, ascending in (
        ("l2", "l2", False),
        ("-l2", "l2", True),
        ("mssim", "mssim", False),
        ("-mssim", "mssim", True),
    ):
        page.locator("#sort").select_option(order)
        assert shown(page) == rows[measure].astype(float).sort_values(ascending=ascending).index.tolist()


def test_the_selected_face_stays_visible_in_the_strip(visit):
    page = visit(width=320)
    page.locator("#strip button").last.click()
    page.locator("#strip").evaluate("strip => { strip.scrollLeft = 0 }")
    before = page.evaluate("scrollY")
    page.locator("#sort").select_option("-l2")
    button = page.locator("#strip button[aria-pressed=true]").bounding_box()
    frame = page.locator("#strip").bounding_box()
    assert frame["x"] - 1 <= button["x"] and button["x"] + button["width"] <= frame["x"] + frame["width"] + 1
    assert page.evaluate("scrollY") == before


def test_the_slider_splits_clean_and_protected(page):
    page.locator("#split").fill("30")
    assert page.locator("#after").evaluate("c => c.style.clipPath") == "inset(0px 70% 0px 0px)"
    page.locator("#difference").click()
    assert page.locator("#perturbation").is_visible() and not page.locator("#after").is_visible()
    assert page.locator("#left").inner_text() == "perturbation × 10"
    page.locator("#difference").click()
    assert page.locator("#after").is_visible() and not page.locator("#perturbation").is_visible()


FLIPS = """() => new Promise(done => { const states = new Set(); const after = document.getElementById("after");
    const look = setInterval(() => states.add(after.style.clipPath), 50);
    setTimeout(() => { clearInterval(look); done(states.size); }, 1400); })"""


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_flicker_alternates_and_is_manual_with_reduced_motion(visit, motion):
    page = visit(reduced_motion=motion)
    page.locator("#flicker").press("Enter")
    assert page.locator("#flicker").get_attribute("aria-pressed") == "true"
    assert page.evaluate(FLIPS) == (2 if motion == "no-preference" else 1)
    page.locator("#flicker").press("Enter")
    assert page.evaluate(FLIPS) == 1 and page.locator("#after").evaluate("c => c.style.clipPath").startswith(
        "inset(0px 50%"
    )


def test_zoom_magnifies_without_smoothing(page):
    for zoom in (2, 5):
        page.locator("#zoom").fill(str(zoom))
        wait_until_drawn(page)
        assert page.locator("#before").bounding_box()["width"] == pytest.approx(zoom * SIZE[1], abs=0.5)
    assert page.locator("#before").evaluate("c => getComputedStyle(c).imageRendering") == "pixelated"


def test_the_start_from_noise_has_a_slider_over_the_steps(page, run):
    rows = np.load(run / "data/trajectories/B.npy")
    page.locator("#evolution-model").select_option("B")
    for place in (0, 3, len(rows) - 1):
        page.locator("#step").fill(str(place))
        assert str(rows["step"][place]) in page.locator("#iterate-name").inner_text()
        encoded = page.locator("#iterate").get_attribute("src").split(",")[1]
        pixels = np.asarray(Image.open(io.BytesIO(b64decode(encoded))).convert("RGB"), int)
        # JPEG, to limit the size of the page.
        assert np.abs(pixels - to_8bit(rows["pixels"][place]).transpose(1, 2, 0)).mean() < 8
    assert page.locator("#original").evaluate("i => i.naturalWidth") == SIZE[1]


def test_names_of_any_script_are_plain_text(page):
    assert page.locator("#person option").all_inner_texts()[1:] == sorted(PERSONS)
    assert page.locator("main b", has_text="Ann").count() == 0


def test_all_controls_are_reached_by_keyboard(page):
    page.locator("#model").focus()
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"method", "person", "outcome", "sort", "split", "amplify", "zoom", "flicker", "difference"} <= reached
    first = page.locator("#strip button").nth(1)
    first.focus()
    page.keyboard.press("Space")
    assert first.get_attribute("aria-pressed") == "true"


# ── The evaluation's page ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_evaluation_starts_with_its_claims(visit, evaluation):
    page = visit(path=evaluation)
    claims = json.loads((evaluation.parent / "report.json").read_text("utf-8"))["claims"]
    assert page.locator("main strong").all_inner_texts() == [claim.replace(" %", "\xa0%") for claim in claims]
    box = page.locator("main strong").last.bounding_box()
    assert box["y"] + box["height"] <= 900


def test_report_and_evaluation_name_the_same_run_and_link_to_each_other(visit, run, evaluation):
    page = visit()
    page.locator("nav a[href^=evaluation]").click()
    assert page.url == evaluation.as_uri()
    digest = json.loads((run / "reports/report.json").read_text("utf-8"))["run"]["digest"]
    assert digest in page.locator("section:has(#summary) > .note").inner_text()
    page.locator("header a").click()
    assert page.url == (run / "reports/index.html").as_uri()
    assert page.locator("section:has(#run) dd").get_by_text(digest, exact=True).count() == 1


@pytest.mark.parametrize(
    ("method", "file"),
    [
        ("P-FGVM", "data/adversarial/B/p_fgvm.npy"),
        ("P-FGVM (features)", "data/evaluation/adversarial/any/p_fgvm_features.npy"),
        (made_up_run.TOOL, "data/evaluation/adversarial/any/external.npy"),
    ],
)
def test_the_evaluations_viewer_has_the_images_and_recognition_results_of_every_method(
    visit, run, evaluation, method, file
):
    page = visit(path=evaluation)
    page.locator("#model").select_option("B")
    page.locator("#method").select_option(method)
    page.locator("#strip button").nth(1).click()
    image = shown(page)[1]
    assert np.array_equal(canvas(page, "before"), clean_image(image))
    assert np.array_equal(canvas(page, "after"), protected_images(run / file)[image])
    entries = facts(page)
    assert ("Target" in entries) == (method == "P-FGVM")
    rows = read_numbers(evaluation.parent / "recognised_images.csv").query("model == 'B' and image == @image")
    rows = rows[rows["method"] == method].set_index("recogniser")
    for name, label in (("dlib", "dlib"), ("sface", "SFace"), ("mine", "mine")):
        for rate in ("tmr_clean", "tmr_protected"):
            assert f"{100 * rows.loc[name, rate]:.1f} %" in entries[label]


def test_long_tables_are_folded_and_open_by_keyboard(visit, evaluation):
    page = visit(path=evaluation)
    folded = page.locator("figure.table details").all()
    assert folded
    for details in folded:
        rows = details.locator("tbody tr")
        assert rows.count() > 30 and not rows.first.is_visible()
        assert str(rows.count()) in details.locator("summary").inner_text()
        details.locator("summary").press("Enter")
        assert rows.first.is_visible() and rows.last.is_visible()
    others = page.locator("figure.table:not(:has(details)) tbody")
    assert all(body.locator("tr").count() <= 30 for body in others.all())


def test_a_folded_table_sorts_and_filters_once_it_is_open(visit, evaluation):
    page = visit(path=evaluation)
    page.locator("#table-recognition summary").click()
    page.get_by_label("Filter the rows of Recognition", exact=True).fill("SFace")
    table = read_numbers(evaluation.parent / "recognition.csv").query("recogniser == 'sface' and fmr == 0.01")
    headers = page.locator("#table-recognition tr.names th button")
    place = headers.all_inner_texts().index("TMR protected")
    headers.nth(place).click()
    shown = [float(cell) for cell in column(page, "table-recognition", place)]
    assert shown == sorted((100 * table["tmr_protected"]).round(1))


def test_on_a_wide_screen_long_cells_wrap_and_hide_no_column(visit, evaluation):
    page = visit(path=evaluation)
    unfold(page)
    for name in ("recognised-persons", "robustness"):
        assert page.locator(f"#table-{name} .scroll").evaluate("e => e.scrollWidth <= e.clientWidth"), name


# ── Everywhere ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("width", [320, 390, 1280, 2560])
def test_nothing_sticks_out_of_the_page(visit, either, width):
    page = visit(width=width, path=either)
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Nor out of its section, except for scrolling containers.
    sticking = page.evaluate(
        """width => [...document.querySelectorAll("main *")]
            .filter(e => !e.closest(".scroll, .strip, svg") && e.getClientRects().length)
            .filter(e => e.getBoundingClientRect().right > width + 1).map(e => e.outerHTML.slice(0, 80))""",
        width,
    )
    assert not sticking


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_axe_finds_nothing(visit, either, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(width=width, path=either, color_scheme=scheme)
    unfold(page)
    wait_until_drawn(page)
    violations = Axe().run(page).response["violations"]
    assert [(rule["id"], [node["html"][:120] for node in rule["nodes"]][:3]) for rule in violations] == []


def test_the_terms_of_the_claims_are_explained_on_hover_and_in_a_glossary(visit, either):
    page = visit(path=either)
    hovers = (
        page.locator("main section").first.locator("p abbr").evaluate_all("all => all.map(a => [a.innerText, a.title])")
    )
    glossary = dict(
        zip(*(page.locator(f"section:has(#terms) {tag}").all_inner_texts() for tag in ("dt", "dd")), strict=True)
    )
    assert hovers and all(glossary[term] == text for term, text in hovers)
    assert {"TMR", "FMR", "MR", "SI", "FLIP"} <= set(glossary)


def test_dark_is_dark_and_plots_follow(visit):
    ink = {}
    for scheme in ("light", "dark"):
        page = visit(color_scheme=scheme)
        ink[scheme] = page.locator("figure.plot svg text").first.evaluate("t => getComputedStyle(t).fill")
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background))) < 120) == (scheme == "dark")
    assert ink["light"] != ink["dark"]


def test_the_papers_tables_print_on_two_pages(visit, tmp_path):
    page = visit()
    page.pdf(path=tmp_path / "print.pdf", prefer_css_page_size=True)
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "print.pdf").read_bytes())) <= 2
    page.emulate_media(media="print")
    for label in ("table-results", "table-attacks", "table-training", "table-architecture"):
        assert page.locator(f"#{label}").is_visible()
    assert not page.locator("#viewer").is_visible()


def test_without_script_the_pages_still_have_their_tables(visit, either):
    page = visit(java_script_enabled=False, path=either)
    assert "JavaScript" in page.locator("#viewer noscript").inner_text()
    assert page.locator("figure.table tbody tr").count() > 10

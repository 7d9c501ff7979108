"""The page in a real browser: its first screen, what every control does, and that its numbers are the tables'."""

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
from pfgvm.report.protection.tables import QUESTIONS
from stages import pictures as pictures_stage
from stages import tables as tables_stage
from stages.common.data_frames import read_table
from stages.common.program import read_settings
from tests import made_up_run

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not CHROMIUM, reason="no chromium here (Debian's package of that name)"),
]
PERSONS = ["<b>Ann & Bo</b>", "李小龍", "はな 🙂", "0042"]
SIZE = (40, 32)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> dict[str, Path]:
    """A made-up run with its page; recognisers were asked about Model A's images."""
    folder = tmp_path_factory.mktemp("a page, with # and ü")
    run = made_up_run.fabricate(folder, made_up_run.pictures(PERSONS, 4, SIZE), SIZE)
    committed = read_settings()
    made = committed.model_copy(update={"data": committed.data.model_copy(update={"image_size": SIZE})})
    with pytest.MonkeyPatch.context() as patch:
        for stage in (tables_stage, pictures_stage):
            patch.setattr(stage, "read_settings", lambda: made)
        made_up_run.write_tables(run)
        made_up_run.draw_figures(run)
        said = read_table(run["scores"]).query("pixels == '8bit' and model == 'A'")[["model", "method", "image"]]
        random = np.random.default_rng(1)
        said = said.assign(
            recogniser="sface",
            tmr_clean=0.875,
            tmr_protected=random.random(len(said)).round(3),
            rank_clean=1,
            rank_protected=random.integers(1, 9, len(said)),
        )
        said.to_csv(folder / "recognised.csv", index=False)
        made_up_run.show_pictures(run, folder / "recognised.csv")
        made_up_run.write_page(run, run["reports"])
    return run | {"recognised": folder / "recognised.csv"}


@pytest.fixture(scope="module")
def evaluated(run) -> Path:
    """The page of the same run with the tables of a real evaluation, more rows than are shown at once, and longer."""
    folder = run["reports"].with_name("evaluated")
    shutil.copytree(run["reports"], folder)
    for table in (made_up_run.ROOT / "reports" / "evaluation").glob("*.csv"):
        shutil.copy(table, folder)
    shutil.copy(made_up_run.ROOT / "reports" / "persons.csv", folder)
    made_up_run.write_page(run, folder)
    return folder / "index.html"


@pytest.fixture(params=["asked nothing", "evaluated"])
def either(request, run, evaluated) -> Path:
    """Either page in turn."""
    return evaluated if request.param == "evaluated" else run["reports"] / "index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, run) -> Iterator:
    """Open the page, at a width, height and whatever else a browser's context takes."""
    contexts, troubles = [], []

    def opened(width: int = 1280, height: int = 900, path: Path | None = None, **how):
        context = browser.new_context(viewport={"width": width, "height": height}, **how)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        address = (path or run["reports"] / "index.html").as_uri()
        page.on(
            "request",
            lambda request: request.url.startswith(("data:", "blob:", address)) or troubles.append(request.url),
        )
        page.goto(address)
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
    table = read_table(run["scores"])
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
    return dict(zip(names, texts, strict=True))


def shown(page) -> list[str]:
    """The images in the strip."""
    return [
        label.split(",")[0] for label in page.locator("#strip button").evaluate_all("all => all.map(b => b.ariaLabel)")
    ]


def unfold(page) -> None:
    page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true })")


def pictures_of(run, model: str, key: str) -> dict[str, np.ndarray]:
    rows = np.load(run["adversarial"] / model / f"{key}.npy")
    return {row["image"]: to_8bit(row["pixels"]).transpose(1, 2, 0) for row in rows}


# ── The first screen ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_screen_holds_verdict_paper_and_pictures(page):
    for words in ("What was found", "Beside the paper", "I-FGSM"):
        box = page.get_by_text(words, exact=True).first.bounding_box()
        assert box["y"] + box["height"] <= 900, words
    text = page.locator(".verdict").inner_text()
    assert "On Model A P-FGVM changes images least." in text and "4 persons, 16 images of 32 x 40 pixels" in text
    assert page.locator(".example img").evaluate_all("all => all.map(i => i.naturalWidth)") == [32, 32, 32]
    assert page.locator(".example img").last.bounding_box()["y"] < 400


def test_beside_the_paper_stand_the_numbers_of_table_3_and_their_distance_in_words(page, run):
    table3 = pd.read_csv(run["reports"] / "table3.csv").set_index(["model", "method", "pixels"])
    paper = {
        "A": {"P-FGVM": 3.38, "I-FGVM": 5.31, "I-FGSM": 5.68},
        "B": {"P-FGVM": 2.11, "I-FGVM": 2.67, "I-FGSM": 5.74},
    }
    growth = (218 * 178 / 40 / 32) ** 0.5
    heads = page.locator("table.beside thead th").all_inner_texts()
    assert heads.count(f"L2 × {growth:.2f}") == 2
    rows = page.locator("table.beside tbody tr").all()
    for row, method in zip(rows, ("P-FGVM", "I-FGVM", "I-FGSM"), strict=True):
        cells = [cell.inner_text().split("\n") for cell in row.locator("td").all()]
        for model, place in (("A", 0), ("B", 3)):
            ours = table3.loc[(model, method, "float"), "l2"] * growth
            apart = round(ours - paper[model][method], 2)
            words = f"{abs(apart):.2f} {'more' if apart > 0 else 'less'}"
            assert cells[place] == [f"{ours:.2f}", f"paper {paper[model][method]}", words]


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_full_table_shows_the_numbers_of_table3_csv(page, run):
    table3 = pd.read_csv(run["reports"] / "table3.csv")
    rows = page.locator("#table-results-full tbody tr").all()
    cells = [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in rows]
    assert [row[2] for row in cells] == table3["method"].tolist()
    assert [row[5] for row in cells] == [f"{value:.2f}" for value in table3["l2"]]
    assert [row[8] for row in cells] == [f"{100 * value:.1f}" for value in table3["mr"]]


def column(page, table: str, place: int) -> list[str]:
    return page.locator(f"#{table} tbody tr:not([hidden]) td:nth-child({place + 1})").all_inner_texts()


def test_a_table_sorts_by_a_column_either_way(page, run):
    values = sorted(pd.read_csv(run["reports"] / "table3.csv")["l2"].round(2))
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


def test_a_table_shows_only_the_rows_that_hold_a_word(page):
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
    written = pd.read_csv(run["reports"] / "table3.csv").query("method == 'I-FGVM'")
    assert table["L2"].tolist() == written["l2"].round(2).tolist() and len(table) == 4
    assert "MSSIM: legacy" in table and "MR, %: correct" in table
    lines = copied["Markdown"].splitlines()
    assert lines[0].startswith("| Model | Descriptor | Method ") and len(lines) == 6
    assert re.fullmatch(r"\|( --- \|){4}( ---: \|)+", lines[1])
    assert copied["LaTeX"].startswith("\\begin{tabular}{llllr") and "MR, \\%: all" in copied["LaTeX"]
    assert copied["LaTeX"].count("\\\\\n") == 5


def test_every_table_and_plot_links_data_that_lies_beside_the_page(page, run):
    links = page.locator("main a:not([href^='#'])").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert {"table3.csv", "differences.csv", "table1.csv", "table2.csv", "table4.csv", "faces/"} <= set(links)
    assert all((run["reports"] / link).exists() for link in links)
    figures = page.locator("figure.table, figure.plot").all()
    # Five of the paper, one by person; two plots; what was not measured is named and left out.
    assert len(figures) == 6 + 2
    assert page.get_by_text("Not measured in this run").is_visible()
    left_out = page.locator("section:has(#protection) li").all_inner_texts()
    assert left_out == list(QUESTIONS.values())
    for figure in figures:
        assert figure.locator(".source a").count() >= 1


# ── Faces ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def wait_until_drawn(page) -> None:
    page.locator("#pictures[aria-busy=false]").wait_for()


def test_the_picture_shown_is_the_published_one_to_the_bit_and_so_is_the_change(page, run):
    page.locator("#model").select_option("B")
    page.locator("#method").select_option("I-FGSM")
    page.locator("#strip button").nth(2).click()
    image = shown(page)[2]
    wait_until_drawn(page)
    protected = pictures_of(run, "B", "i_fgsm")[image]
    _, clean = made_up_run.pictures(PERSONS, 4, SIZE)[image]
    original = np.asarray(Image.open(io.BytesIO(clean)))
    assert np.array_equal(canvas(page, "before"), original)
    assert np.array_equal(canvas(page, "after"), protected)
    page.locator("#amplify").fill("25")
    wait_until_drawn(page)
    expected = np.minimum(255, 25 * np.abs(protected.astype(int) - original))
    assert np.array_equal(canvas(page, "change"), expected) and page.locator("#times").inner_text() == "25"


def test_what_is_said_of_a_face_is_what_the_tables_say(page, run, scores):
    page.locator("#method").select_option("I-FGVM")
    said = read_table(run["recognised"]).set_index(["method", "image"])
    for button in page.locator("#strip button").all()[:4]:
        button.click()
        found = facts(page)
        image = found["Image"].split()[0]
        row = scores.loc["A", "I-FGVM", image]
        assert found["Person"] == row["person"] and found["Target"] == row["target"]
        assert found["Image"] == f"{image} ({row['split']})"
        assert found["After"] == f"the model sees {row['predicted']}, {100 * float(row['confidence']):.1f} % sure"
        assert found["Before"].startswith(f"the model sees {row['predicted_clean']}, ")
        assert (found["L2"], found["MSSIM"]) == (f"{float(row['l2']):.2f}", f"{float(row['mssim']):.3f}")
        rate, rank = said.loc[("I-FGVM", image), ["tmr_protected", "rank_protected"]]
        assert found["SFace"] == (
            f"matches {100 * float(rate):.1f} % of the person's other pictures (clean 87.5 %); "
            f"the person comes at place {rank} (clean 1)"
        )
    page.locator("#model").select_option("B")
    assert facts(page)["Recognisers"] == "not asked; make evaluation shows them the faces"


def test_faces_are_chosen_by_person_and_outcome_and_sorted(page, scores):
    own = scores.sort_index().loc["A", "P-FGVM"]
    assert sorted(shown(page)) == sorted(own.index)
    page.locator("#person").select_option("李小龍")
    assert set(shown(page)) == set(own.index[own["person"] == "李小龍"])
    page.locator("#person").select_option("")
    for outcome, kept in (("missed", own["predicted"] != own["person"]), ("named", own["predicted"] == own["person"])):
        page.locator("#outcome").select_option(outcome)
        assert set(shown(page)) == set(own.index[kept])
        assert page.locator("#none").is_visible() == (not kept.any())
    page.locator("#outcome").select_option("")
    for order, measure, ascending in (
        ("l2", "l2", False),
        ("-l2", "l2", True),
        ("mssim", "mssim", False),
        ("-mssim", "mssim", True),
    ):
        page.locator("#sort").select_option(order)
        assert shown(page) == own[measure].astype(float).sort_values(ascending=ascending).index.tolist()


def test_the_face_that_is_looked_at_stays_in_sight(visit):
    page = visit(width=320)
    page.locator("#strip button").last.click()
    page.locator("#strip").evaluate("strip => { strip.scrollLeft = 0 }")
    before = page.evaluate("scrollY")
    page.locator("#sort").select_option("-l2")
    held = page.locator("#strip button[aria-pressed=true]").bounding_box()
    frame = page.locator("#strip").bounding_box()
    assert frame["x"] - 1 <= held["x"] and held["x"] + held["width"] <= frame["x"] + frame["width"] + 1
    assert page.evaluate("scrollY") == before


def test_the_slider_parts_before_from_after(page):
    page.locator("#split").fill("30")
    assert page.locator("#after").evaluate("c => c.style.clipPath") == "inset(0px 70% 0px 0px)"
    page.locator("#difference").click()
    assert page.locator("#change").is_visible() and not page.locator("#after").is_visible()
    assert page.locator("#left").inner_text() == "change × 10"
    page.locator("#difference").click()
    assert page.locator("#after").is_visible() and not page.locator("#change").is_visible()


FLIPS = """() => new Promise(done => { const seen = new Set(); const after = document.getElementById("after");
    const look = setInterval(() => seen.add(after.style.clipPath), 50);
    setTimeout(() => { clearInterval(look); done(seen.size); }, 1400); })"""


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_flicker_shows_either_in_turn_and_by_hand_where_less_motion_is_asked_for(visit, motion):
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


def test_the_start_from_noise_is_followed_step_by_step(page, run):
    rows = np.load(run["trajectories"] / "B.npy")
    page.locator("#evolution-model").select_option("B")
    for place in (0, 3, len(rows) - 1):
        page.locator("#step").fill(str(place))
        assert page.locator("#iterate-name").inner_text() == f"after {rows['step'][place]} steps"
        encoded = page.locator("#iterate").get_attribute("src").split(",")[1]
        seen = np.asarray(Image.open(io.BytesIO(b64decode(encoded))).convert("RGB"), int)
        # Not to the bit, for the sake of the page's size.
        assert np.abs(seen - to_8bit(rows["pixels"][place]).transpose(1, 2, 0)).mean() < 8
    assert page.locator("#original").evaluate("i => i.naturalWidth") == SIZE[1]


def test_names_of_any_script_stand_as_text(page):
    assert page.locator("#person option").all_inner_texts()[1:] == sorted(PERSONS)
    assert page.locator("main b", has_text="Ann").count() == 0


def test_everything_is_reached_by_keyboard(page):
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


# ── Of an evaluated run ───────────────────────────────────────────────────────────────────────────────────────────


def test_long_tables_are_folded_and_open_by_keyboard(visit, evaluated):
    page = visit(path=evaluated)
    folded = page.locator("figure.table details").all()
    assert folded
    for each in folded:
        rows = each.locator("tbody tr")
        assert rows.count() > 30 and not rows.first.is_visible()
        assert each.locator("summary").inner_text() == f"Show the {rows.count()} rows"
        each.locator("summary").press("Enter")
        assert rows.first.is_visible() and rows.last.is_visible()
    others = page.locator("figure.table:not(:has(details)) tbody")
    assert all(body.locator("tr").count() <= 30 for body in others.all())


def test_a_folded_table_sorts_and_filters_once_it_is_open(visit, evaluated):
    page = visit(path=evaluated)
    page.locator("#table-recognition summary").click()
    page.get_by_label("Filter the rows of Recognition").fill("SFace")
    table = pd.read_csv(evaluated.with_name("recognition.csv")).query("recogniser == 'sface' and fmr == 0.01")
    headers = page.locator("#table-recognition tr.names th button")
    place = headers.all_inner_texts().index("protected")
    headers.nth(place).click()
    shown = [float(cell.split()[0]) for cell in column(page, "table-recognition", place)]
    assert shown == sorted((100 * table["tmr_protected"]).round(1))


def test_of_an_evaluated_run_the_first_screen_says_whether_it_protects(visit, evaluated):
    page = visit(path=evaluated)
    said = json.loads(evaluated.with_name("protection.json").read_text("utf-8"))
    assert said["in_short"] and said["unanswered"] == []
    for sentence in said["in_short"]:
        box = page.get_by_text(sentence[:60]).first.bounding_box()
        assert box["y"] + box["height"] <= 900, sentence
    assert page.get_by_text("Not measured in this run").count() == 0


# ── Everywhere ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("width", [320, 390, 1280, 2560])
def test_nothing_sticks_out_of_the_page(visit, either, width):
    page = visit(width=width, path=either)
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Nor of its own section, but for what scrolls by itself.
    sticking = page.evaluate(
        """width => [...document.querySelectorAll("main *")]
            .filter(e => !e.closest(".scroll, .strip, svg") && e.getClientRects().length)
            .filter(e => e.getBoundingClientRect().right > width + 1).map(e => e.outerHTML.slice(0, 80))""",
        width,
    )
    assert not sticking


def test_on_a_wide_screen_long_texts_wrap_and_hide_no_column(visit, evaluated):
    page = visit(path=evaluated)
    unfold(page)
    for name in ("By person", "Survival"):
        table = page.get_by_role("region", name=name, exact=True)
        assert table.evaluate("e => e.scrollWidth <= e.clientWidth"), name
    worst = page.get_by_role("region", name="By person", exact=True).locator("td.long").first
    assert worst.inner_text().count(";") == 2 and worst.locator("span").count() == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(visit, either, scheme, width):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(width=width, path=either, color_scheme=scheme)
    unfold(page)
    wait_until_drawn(page)
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"][:120] for node in each["nodes"]][:3]) for each in found] == []


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


def test_without_script_the_page_still_tells(visit):
    page = visit(java_script_enabled=False)
    assert "this page needs JavaScript" in page.locator("#viewer").inner_text()
    assert page.locator("#table-results tbody tr").count() == 10


def test_the_page_holds_as_many_faces_as_it_may_and_says_which(run):
    held = json.loads(run["shown"].read_text("utf-8"))
    assert len(held["images"]) == 16 and held["note"] == "All 16 attacked images."


def test_the_committed_page_is_small():
    assert (made_up_run.ROOT / "reports" / "index.html").stat().st_size < 3_000_000

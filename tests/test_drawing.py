"""The style of plots: SVG for light and dark pages, distinct colours, labels without overlap."""

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from skimage.color import deltaE_ciede2000, rgb2lab

from pfgvm.report.names import shortened
from pfgvm.report.plots.drawing import INK, panels, styled, svg
from pfgvm.report.plots.palette import KNOWN, SPLITS, styles
from pfgvm.report.plots.point_labels import label_points

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ["李小龍", "김민수", "山田太郎", "🧑", 'a<b> & "c"', "$x_1$"]


@styled
def drawn() -> Figure:
    """A plot with clipped lines, markers, a shade, a legend, and names in several scripts."""
    figure, grid = panels(1, 1, 3)
    ax = grid[0, 0]
    ax.plot([0, 1], [0, 1], "o-", color="#0072b2", label=NAMES[4])
    ax.axhspan(0, 0.5, facecolor=INK, alpha=0.1, edgecolor="none")
    ax.set_yticks(range(len(NAMES)), NAMES)
    ax.legend()
    return figure


def as_file(prefix: str = "one") -> bytes:
    return svg(drawn(), prefix=prefix, title="What <it> shows")


def elements(content: bytes) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(content).iter())


def ids(content: bytes) -> list[str]:
    return [element.get("id") for element in elements(content) if element.get("id")]


# ── SVG ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_plot_is_deterministic_and_does_not_name_its_program():
    assert as_file() == as_file()
    assert not re.search(rb"matplotlib\.org|Matplotlib|\d{4}-\d\d-\d\d", as_file())


def test_a_plot_has_the_width_of_its_container_and_a_title():
    root = ElementTree.fromstring(as_file())
    assert root.tag == f"{SVG}svg" and not {"width", "height"} & set(root.attrib)
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    assert (left, top) == (0, 0) and width > height > 0
    assert root[0].tag == f"{SVG}title" and root[0].text == "What <it> shows"
    assert root.attrib["role"] == "img" and root.attrib["aria-labelledby"] == root[0].attrib["id"]


def test_text_is_at_least_as_large_as_the_small_text_of_the_page():
    sizes = re.findall(r"font-size: ([\d.]+)px", as_file().decode())
    width = float(ElementTree.fromstring(as_file()).attrib["viewBox"].split()[2])
    # The page is 960 pixels wide.
    assert sizes and min(map(float, sizes)) * 960 / width >= 12


def test_ink_is_the_text_colour_of_the_page():
    texts = [element for element in elements(as_file()) if element.tag == f"{SVG}text"]
    assert texts and all("fill: currentColor" in text.get("style") for text in texts)
    colours = set(re.findall(r"(?:fill|stroke): ([^;\"]+)", as_file().decode()))
    assert colours == {"none", "currentColor", "#0072b2"}


def test_every_shape_has_a_fill_or_a_stroke():
    # Without fill and stroke, a shape would be black on any page.
    for element in elements(as_file()):
        if element.tag in (f"{SVG}path", f"{SVG}use", f"{SVG}rect"):
            clips = element.tag == f"{SVG}rect" or "style" not in element.attrib
            assert clips or re.search("fill|stroke", element.get("style"))


def test_text_is_text_in_the_font_of_the_page():
    root = ElementTree.fromstring(as_file())
    assert set(NAMES) <= {text.text for text in root.iter(f"{SVG}text")}
    assert root.attrib["font-family"] == "sans-serif"
    assert as_file().count(b"font-family") == 1


def test_no_style_rule_of_a_plot_applies_to_the_page():
    rules = [element.text for element in elements(as_file()) if element.tag == f"{SVG}style"]
    # The root of an HTML page is not svg.
    assert [rule.split("{")[0] for rule in rules] == ["svg:root"]
    assert b"xlink" not in as_file()


def test_plots_on_one_page_have_distinct_ids_and_refer_to_their_own():
    first, second = as_file("one"), as_file("two")
    assert len(set(ids(first))) == len(ids(first))
    assert not set(ids(first)) & set(ids(second))
    for content in (first, second):
        references = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', content.decode())
        assert references and {a or b for a, b in references} <= set(ids(content))


def test_a_name_without_a_font_gives_no_warning(recwarn):
    as_file()
    assert not list(recwarn)


def test_drawing_does_not_change_the_settings_of_matplotlib():
    before = dict(mpl.rcParams)
    as_file()
    assert dict(mpl.rcParams) == before


# ── Colours ───────────────────────────────────────────────────────────────────────────────────────────────────────

COLOURS = sorted({style.colour for style in [*KNOWN.values(), *styles(["another"]).values()]})
# Machado, Oliveira, Fernandes 2009: linear RGB without one kind of cones.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour: str) -> np.ndarray:
    values = np.array(to_rgb(colour))
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(first: str, second: str) -> float:
    """The contrast of WCAG 2."""
    low, high = sorted(linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in (first, second))
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, blindness: str) -> np.ndarray:
    values = np.clip(BLINDNESS[blindness] @ linear(colour), 0, 1)
    return rgb2lab(np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("colour", [*COLOURS, *SPLITS.values()])
@pytest.mark.parametrize("page", ["#ffffff", "#15171a"])
def test_every_colour_stands_out_on_light_and_dark(colour, page):
    assert contrast(colour, page) >= 3


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_colours_are_distinct_with_colour_blindness(blindness):
    for first, second in combinations(COLOURS, 2):
        # 2.3 is just noticeable (Mahy, Van Eycken, Oosterlinck 1994).
        assert deltaE_ciede2000(lab(first, blindness), lab(second, blindness)) > 4 * 2.3, (first, second)


def test_no_two_methods_look_alike():
    assert len(set(KNOWN.values())) == len(KNOWN)
    methods = [*KNOWN, *(f"tool {number}" for number in range(5))]
    by_method = styles(reversed(methods))
    assert set(by_method) == set(methods) and len(set(by_method.values())) == len(methods)
    assert list(by_method)[: len(KNOWN)] == list(KNOWN)


def test_another_tool_has_the_same_style_in_every_plot():
    alone = styles(["Fawkes"])["Fawkes"]
    assert styles(["P-FGVM", "Fawkes", "DDN"])["Fawkes"] == alone
    assert alone not in KNOWN.values()


def test_there_is_a_style_for_any_number_of_tools():
    many = [f"tool {number}" for number in range(30)]
    assert set(styles(many)) == set(many)


# ── Labels and names ──────────────────────────────────────────────────────────────────────────────────────────────


@styled
def labelled(count: int, seed: int) -> tuple[Figure, list[tuple[float, float, str]]]:
    """Two lines of `count` points each with a label at every point, and the labels."""
    figure, grid = panels(1, 1, 3)
    random = np.random.default_rng(seed)
    lines = [np.stack([np.sort(random.uniform(size=count)), random.choice([0.7, 1.0], count)], 1) for _ in range(2)]
    for line in lines:
        grid[0, 0].plot(*line.T, "o-")
    grid[0, 0].set_ylim(0, 1.2)
    figure.draw_without_rendering()
    labels = [(x, y, f"λ 0.{number:02}") for number, (x, y) in enumerate(np.concatenate(lines).tolist())]
    label_points(figure, grid[0, 0], labels, lines)
    return figure, labels


def boxes(figure: Figure) -> dict[str, object]:
    """The extent of each label, in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    return {text.get_text(): Text.get_window_extent(text, renderer) for text in figure.axes[0].texts}


@pytest.mark.parametrize(("count", "seed"), [(3, 0), (5, 1), (12, 2)])
def test_labels_cover_neither_each_other_nor_a_point_and_stay_inside(count, seed):
    figure, labels = labelled(count, seed)
    ax, written = figure.axes[0], boxes(figure)
    assert all(not first.overlaps(second) for first, second in combinations(written.values(), 2))
    points = ax.transData.transform([(x, y) for x, y, _ in labels])
    for box in written.values():
        assert not any(box.contains(*point) for point in points)
        assert ax.bbox.contains(*box.min) and ax.bbox.contains(*box.max)


def test_labels_are_all_written_if_space_permits_and_the_first_come_first():
    figure, labels = labelled(3, 0)
    assert set(boxes(figure)) == {text for _, _, text in labels}
    crowded, labels = labelled(24, 3)
    assert set(boxes(crowded)) < {text for _, _, text in labels}
    assert labels[0][2] in boxes(crowded)


def test_a_label_is_nearest_to_its_own_point_or_has_a_leader_line():
    figure, labels = labelled(5, 1)
    points = figure.axes[0].transData.transform([(x, y) for x, y, _ in labels])
    written = boxes(figure)
    for text in figure.axes[0].texts:
        assert isinstance(text, Annotation)
        box = written[text.get_text()]
        distances = np.linalg.norm(points - points.clip(box.min, box.max), axis=1)
        number = [label for _, _, label in labels].index(text.get_text())
        assert text.arrow_patch.get_visible() or distances.argmin() == number


def test_shortened_names_remain_distinct():
    assert shortened(["short", "x" * 20], 10) == {"short": "short", "x" * 20: "x" * 9 + "…"}
    alike = [f"Jennifer_Cap{end}" for end in ("riati", "shaw")]
    short = shortened(alike, 5)
    assert len(set(short.values())) == 2
    assert all(len(a) == len(b) for a, b in pairwise(short.values()))

"""Figures 1 and 2: layout, pixels, names, and determinism."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib import font_manager
from PIL import Image

from pfgvm.report import paper_figures

HEADINGS = {"A": "Model A", "B": "Model B (dlib)"}


def example(person: str = "a", clean: float = 0.5, change: float = 0.02) -> paper_figures.Example:
    pixels = np.full((3, 40, 32), clean, dtype=np.float32)
    return paper_figures.Example(pixels, pixels + np.float32(change), person, "b", "b")


def shades(figure) -> list[float]:
    """The mean of every image in the figure, in order."""
    return [round(float(ax.images[0].get_array().mean()), 3) for ax in figure.axes]


def test_figure_1_has_protected_test_images_of_different_identities_first():
    scores = pd.DataFrame(
        [
            ("1.jpg", "a", "train", "b", "a", "b", 1.0),
            ("2.jpg", "b", "test", "a", "b", "a", 1.0),
            ("3.jpg", "b", "test", "a", "b", "a", 1.0),
            ("4.jpg", "c", "test", "a", "c", "c", 1.0),
            ("5.jpg", "d", "validation", "a", "a", "c", 1.0),
        ],
        columns="image person split target predicted_clean predicted l2".split(),
    ).assign(model="A", method="P-FGVM", pixels="float")
    assert list(paper_figures.chosen_examples(scores, "A")["image"]) == ["2.jpg", "1.jpg"]
    assert list(paper_figures.chosen_examples(scores, "A", count=9)["image"]) == ["2.jpg", "1.jpg", "4.jpg", "5.jpg"]
    assert paper_figures.chosen_examples(scores, "B").empty


def test_figure_1_has_clean_protected_and_ten_times_the_absolute_perturbation():
    shown = {"A": [example(change=0.02), example(change=-0.03)], "B": [example(), example(change=0.3)]}
    figure = paper_figures.figure1(shown, HEADINGS)
    assert shades(figure) == [0.5, 0.52, 0.2, 0.5, 0.47, 0.3, 0.5, 0.52, 0.2, 0.5, 0.8, 1.0]
    texts = [text.get_text() for text in figure.texts]
    assert {"Model A", "Model B (dlib)", "identity a\npredicted b\ntarget b"} <= set(texts)


def test_figure_1_has_exact_pixels():
    random = np.random.default_rng(0).random((3, 40, 32), dtype=np.float32)
    figure = paper_figures.figure1({"A": [paper_figures.Example(random, random, "a", "b", "b")]}, HEADINGS)
    drawn = np.asarray(Image.open(io.BytesIO(paper_figures.png(figure))).convert("RGB"))
    scale, left, top = 9, 190, 60
    pixels = drawn[top : top + 40 * scale, left : left + 32 * scale][scale // 2 :: scale, scale // 2 :: scale]
    assert np.abs(pixels.transpose(2, 0, 1) / 255 - random).max() < 1 / 255


def test_figure_1_draws_names_as_plain_text():
    figure = paper_figures.figure1({"A": [example(person="$\\frac_&<" + "x" * 50)]}, HEADINGS)
    paper_figures.png(figure)
    assert "identity $\\frac_&<xxxx…\npredicted b\ntarget b" in [text.get_text() for text in figure.texts]


def below(figure) -> list[str]:
    """The texts below the images of Figure 1."""
    return [text.get_text() for text in figure.texts if text.get_text().startswith("identity ")]


@pytest.fixture
def few_fonts(monkeypatch):
    """As on a machine with Matplotlib's fonts only."""
    bundled = [font for font in font_manager.fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", bundled)
    _forget_fonts()
    yield
    _forget_fonts()


def _forget_fonts() -> None:
    paper_figures._fonts.cache_clear()
    paper_figures._font_with.cache_clear()


@pytest.mark.parametrize("name", ["李小龍", "김민수", "山田太郎", "🧑", "a\nb", "\u200bab"])
def test_a_name_without_a_font_is_written_as_escapes(few_fonts, name, recwarn, caplog):
    figure = paper_figures.figure1({"A": [example(person=name)]}, HEADINGS)
    paper_figures.png(figure)
    escaped = name.encode("unicode_escape").decode()
    shown = escaped if len(escaped) <= 14 else f"{escaped[:13]}…"
    assert below(figure) == [f"identity {shown}\npredicted b\ntarget b"]
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    assert not caplog.records


def test_names_of_one_length_without_a_font_are_distinct(few_fonts):
    shown = [
        paper_figures.png(paper_figures.figure1({"A": [example(person=name)]}, HEADINGS))
        for name in ("李小龍", "王菲菲")
    ]
    assert shown[0] != shown[1]


def test_names_with_a_common_start_remain_distinct(few_fonts):
    names = ["Jennifer_Capriati", "Jennifer_Capshaw", "李小龍", "李小龙"]
    figure = paper_figures.figure1({"A": [example(person=name) for name in names]}, HEADINGS)
    shown = [text.split("\n")[0] for text in below(figure)]
    assert shown[:2] == ["identity Jennifer_Capriati", "identity Jennifer_Capshaw"]
    assert len(set(shown)) == 4
    # A longer line has a smaller font, so that it fits below its image.
    sizes = [text.get_size() for text in figure.texts if text.get_text().startswith("identity ")]
    assert max(size * len(text) for size, text in zip(sizes, shown, strict=True)) < 9 * 25


def test_a_font_that_is_installed_is_used(few_fonts, recwarn, caplog):
    # STIX, bundled with Matplotlib, has this letter of Japanese; the default font has none.
    figure = paper_figures.figure1({"A": [example(person="の")]}, HEADINGS)
    paper_figures.png(figure)
    assert below(figure) == ["identity の\npredicted b\ntarget b"]
    [text] = [text for text in figure.texts if text.get_text() in below(figure)]
    assert text.get_fontfamily() == [paper_figures.FONT, "STIXGeneral"]
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    assert not caplog.records


def test_figure_2_clips_the_noise_and_ends_with_the_original():
    noise = np.stack([np.full((3, 40, 32), value, dtype=np.float32) for value in (-2.0, 0.4, 3.0)])
    rows = {
        "A": paper_figures.Trajectory(noise, [0, 5, 50], noise[1]),
        "B": paper_figures.Trajectory(noise[:2], [0, 58], noise[1]),
    }
    figure = paper_figures.figure2(rows, HEADINGS)
    assert shades(figure) == [0.0, 0.4, 1.0, 0.4, 0.0, 0.4, 0.4]
    texts = [text.get_text() for text in figure.texts]
    assert texts == [
        "Model A",
        "i = 0",
        "i = 5",
        "i = 50",
        "original",
        "Model B\n(dlib)",
        "i = 0",
        "i = 58",
        "original",
    ]


def test_a_figure_is_deterministic_and_does_not_name_its_program():
    first, second = (paper_figures.png(paper_figures.figure1({"A": [example()]}, HEADINGS)) for _ in range(2))
    assert first == second
    assert b"Matplotlib" not in first
    assert Image.open(io.BytesIO(first)).info.keys() <= {"dpi"}

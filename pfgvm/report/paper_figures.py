"""Figures 1 and 2 in the paper's form."""

import functools
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.figure import Figure

from pfgvm.methods import PROPOSED
from pfgvm.report.names import escaped, shortened

DPI = 150
AMPLIFICATION = 10  # Figure 1 (c)
FONT = "DejaVu Sans"  # Bundled with Matplotlib: the same on every machine.
NAME_LENGTH = 14  # Characters of a name that fit below an image at the usual font size.


@dataclass(frozen=True)
class Example:
    """One column of Figure 1: images (float, (3, H, W), in [0, 1]) and the names of identities."""

    clean: np.ndarray
    protected: np.ndarray
    person: str
    predicted: str
    target: str


@dataclass(frozen=True)
class Trajectory:
    """One row of Figure 2: iterates (float, (n, 3, H, W), drawn clipped to [0, 1]), their steps, the clean image."""

    iterates: np.ndarray
    steps: Sequence[int]
    clean: np.ndarray


def chosen_examples(scores: pd.DataFrame, model: str, count: int = 2) -> pd.DataFrame:
    """The images of one model for Figure 1: at most `count` rows of its P-FGVM scores, of different identities.

    Images that are classified correctly when clean and misclassified when protected come first, then images of the test
    split, then the order of file names.
    """
    rows = scores[(scores["model"] == model) & (scores["method"] == PROPOSED) & (scores["pixels"] == "float")]
    protected = (rows["predicted_clean"] == rows["person"]) & (rows["predicted"] != rows["person"])
    keys = pd.DataFrame({"failed": ~protected, "not_test": rows["split"] != "test", "image": rows["image"]})
    ranked = rows.loc[keys.sort_values(["failed", "not_test", "image"]).index]
    return ranked.drop_duplicates("person").head(count)


def figure1(examples: Mapping[str, Sequence[Example]], headings: Mapping[str, str]) -> Figure:
    """Figure 1: the examples of each model, one a column; rows clean, de-identified, and 10 x the perturbation.

    Distinct names remain distinct: a character without an installed font becomes its escape, and shortening stops
    before two names are equal.
    """
    w, h = _cell(next(example for group in examples.values() for example in group).clean, 260)
    gap, between, left, top, foot = 9, 45, 190, 60, 105
    columns = sum(map(len, examples.values()))
    total_width = left + columns * (w + gap) + (len(examples) - 1) * (between - gap)
    canvas = _Canvas(total_width, top + 3 * (h + gap) + foot)
    names = ("(a) clean", "(b) de-identified", f"(c) |perturbation|\n      × {AMPLIFICATION}")
    for row, name in enumerate(names):
        canvas.text(9, top + row * (h + gap) + h // 2, name, ha="left", va="center", linespacing=1.4)
    labels = _labels({name for group in examples.values() for example in group for name in _names(example)})
    x = left
    for model, group in examples.items():
        middle = x + (len(group) * (w + gap) - gap) / 2
        canvas.text(middle, top // 2, headings[model], ha="center", va="center", weight="bold", size=11)
        for example in group:
            perturbation = AMPLIFICATION * np.abs(example.protected - example.clean)
            for row, pixels in enumerate((example.clean, example.protected, perturbation)):
                canvas.image(x, top + row * (h + gap), w, h, pixels)
            person, predicted, target = (labels[name] for name in _names(example))
            text = f"identity {person}\npredicted {predicted}\ntarget {target}"
            size = 9 * NAME_LENGTH / max(NAME_LENGTH, *map(len, (person, predicted, target)))
            y = top + 3 * (h + gap) + 8
            canvas.text(x + w / 2, y, text, size=size, ha="center", va="top", linespacing=1.4)
            x += w + gap
        x += between - gap
    return canvas.figure


def figure2(trajectories: Mapping[str, Trajectory], headings: Mapping[str, str]) -> Figure:
    """Figure 2: one row a model: iterates from the noise start on, then the original image."""
    w, h = _cell(next(iter(trajectories.values())).clean, 170)
    gap, between, left, top = 8, 30, 150, 48
    columns = max(len(trajectory.steps) for trajectory in trajectories.values())
    canvas = _Canvas(left + columns * (w + gap) + between + w + gap, len(trajectories) * (top + h) + gap)
    for row, (model, trajectory) in enumerate(trajectories.items()):
        y = row * (top + h) + top
        canvas.text(9, y + h // 2, headings[model].replace(" (", "\n("), ha="left", va="center", weight="bold")
        for column, (step, pixels) in enumerate(zip(trajectory.steps, trajectory.iterates, strict=True)):
            x = left + column * (w + gap)
            canvas.image(x, y, w, h, pixels)
            canvas.text(x + w / 2, y - 10, f"i = {step}", ha="center", va="bottom")
        x = left + columns * (w + gap) + between
        canvas.image(x, y, w, h, trajectory.clean)
        canvas.text(x + w / 2, y - 10, "original", ha="center", va="bottom")
    return canvas.figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same pixels and the same bytes at every call."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _cell(pixels: np.ndarray, min_width: int) -> tuple[int, int]:
    """Width and height, in pixels of the figure, of an image magnified by an integer to at least `min_width`."""
    height, width = pixels.shape[1:]
    scale = math.ceil(min_width / width)
    return scale * width, scale * height


class _Canvas:
    """A figure laid out in pixels from its upper left corner, so that images are not resampled."""

    def __init__(self, width: int, height: int) -> None:
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
        self.width, self.height = width, height

    def image(self, x: int, y: int, w: int, h: int, pixels: np.ndarray) -> None:
        box = (x / self.width, 1 - (y + h) / self.height, w / self.width, h / self.height)
        ax = self.figure.add_axes(box)
        ax.set_axis_off()
        ax.imshow(np.clip(pixels, 0, 1).transpose(1, 2, 0), interpolation="nearest")

    def text(self, x: float, y: float, text: str, *, size: float = 9, **style: Any) -> None:
        # A name can contain $, which must not start a formula.
        style |= {"size": size, "parse_math": False, "family": [FONT, *_further_fonts(text)]}
        self.figure.text(x / self.width, 1 - y / self.height, text, **style)


def _names(example: Example) -> tuple[str, str, str]:
    return example.person, example.predicted, example.target


def _labels(names: set[str]) -> dict[str, str]:
    printable = {name: "".join(map(_printable, name)) for name in names}
    short = shortened(printable.values(), NAME_LENGTH)
    return {name: short[text] for name, text in printable.items()}


def _printable(character: str) -> str:
    if character.isprintable() and (_has(FONT, character) or _font_with(character)):
        return character
    return escaped(character)


def _further_fonts(text: str) -> list[str]:
    missing = [character for character in text if character.isprintable() and not _has(FONT, character)]
    return sorted({font for font in map(_font_with, missing) if font})


@functools.cache
def _font_with(character: str) -> str | None:
    return next((font for font in sorted(_fonts()) if _has(font, character)), None)


def _has(font: str, character: str) -> bool:
    return ord(character) in _characters(_fonts()[font])


@functools.cache
def _fonts() -> dict[str, str]:
    # In the style of the text; the last-resort font has a box for every character.
    upright = [font for font in font_manager.fontManager.ttflist if (font.style, font.weight) == ("normal", 400)]
    files = {font.name: font.fname for font in upright if not font.name.startswith("Last Resort")}
    return files | {FONT: font_manager.findfont(FONT)}


@functools.cache
def _characters(file: str) -> frozenset[int]:
    return frozenset(font_manager.get_font(file).get_charmap())

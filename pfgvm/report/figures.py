"""Figures 1 and 2 in the paper's form, and the learning curves."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

DPI = 150
AMPLIFICATION = 10  # Figure 1 (c)


@dataclass(frozen=True)
class Example:
    """One column of Figure 1: the pictures (float, (3, H, W), in [0, 1]) and the persons' names."""

    clean: np.ndarray
    protected: np.ndarray
    person: str
    predicted: str
    target: str


@dataclass(frozen=True)
class Evolution:
    """One row of Figure 2: iterates (float, (n, 3, H, W), shown clipped to [0, 1]), their steps, the original."""

    iterates: np.ndarray
    steps: Sequence[int]
    clean: np.ndarray


def figure1(examples: Mapping[str, Sequence[Example]], headings: Mapping[str, str]) -> Figure:
    """Figure 1: by model, under its heading, its examples: one a column, rows clean, de-identified, 10 x the change."""
    w, h = _cell(next(example for group in examples.values() for example in group).clean, 260)
    gap, between, left, top, foot = 9, 45, 190, 60, 105
    columns = sum(map(len, examples.values()))
    total_width = left + columns * (w + gap) + (len(examples) - 1) * (between - gap)
    canvas = _Canvas(total_width, top + 3 * (h + gap) + foot)
    names = ("(a) clean", "(b) de-identified", f"(c) |perturbation|\n      × {AMPLIFICATION}")
    for row, name in enumerate(names):
        canvas.text(9, top + row * (h + gap) + h // 2, name, ha="left", va="center", linespacing=1.4)
    x = left
    for model, group in examples.items():
        middle = x + (len(group) * (w + gap) - gap) / 2
        canvas.text(middle, top // 2, headings[model], ha="center", va="center", weight="bold", size=11)
        for example in group:
            change = AMPLIFICATION * np.abs(example.protected - example.clean)
            for row, picture in enumerate((example.clean, example.protected, change)):
                canvas.picture(x, top + row * (h + gap), w, h, picture)
            lines = [f"person {_short(example.person)}", f"seen as {_short(example.predicted)}"]
            lines.append(f"target {_short(example.target)}")
            canvas.text(x + w / 2, top + 3 * (h + gap) + 8, "\n".join(lines), ha="center", va="top", linespacing=1.4)
            x += w + gap
        x += between - gap
    return canvas.figure


def figure2(evolutions: Mapping[str, Evolution], headings: Mapping[str, str]) -> Figure:
    """Figure 2: by model one row of iterates from the noise start on, the original image at the end."""
    w, h = _cell(next(iter(evolutions.values())).clean, 170)
    gap, between, left, top = 8, 30, 150, 48
    columns = max(len(evolution.steps) for evolution in evolutions.values())
    canvas = _Canvas(left + columns * (w + gap) + between + w + gap, len(evolutions) * (top + h) + gap)
    for row, (model, evolution) in enumerate(evolutions.items()):
        y = row * (top + h) + top
        canvas.text(9, y + h // 2, headings[model].replace(" (", "\n("), ha="left", va="center", weight="bold")
        for column, (step, picture) in enumerate(zip(evolution.steps, evolution.iterates, strict=True)):
            x = left + column * (w + gap)
            canvas.picture(x, y, w, h, picture)
            canvas.text(x + w / 2, y - 10, f"i = {step}", ha="center", va="bottom")
        x = left + columns * (w + gap) + between
        canvas.picture(x, y, w, h, evolution.clean)
        canvas.text(x + w / 2, y - 10, "original", ha="center", va="bottom")
    return canvas.figure


def learning_curves(
    histories: Mapping[str, pd.DataFrame], epochs_used: Mapping[str, int], headings: Mapping[str, str]
) -> Figure:
    """By model a column: accuracy in [0, 1] and loss (log scale) over the epochs, and the epoch used.

    histories: columns epoch, train_loss, train_accuracy, validation_loss, validation_accuracy.
    """
    palette = dict(zip(("train", "validation"), sns.color_palette("colorblind"), strict=False))
    with sns.axes_style("whitegrid", {"grid.color": "#e6e6e6", "axes.edgecolor": "#888888"}):
        figure = Figure(figsize=(8, 5), layout="constrained")
        grid = figure.subplots(2, len(histories), sharex="col", sharey="row", squeeze=False)
    for column, (model, history) in enumerate(histories.items()):
        for row, measure in enumerate(("accuracy", "loss")):
            ax = grid[row, column]
            for split, colour in palette.items():
                sns.lineplot(history, x="epoch", y=f"{split}_{measure}", label=split, color=colour, ax=ax)
            ax.axvline(epochs_used[model], color="#555555", linestyle="--", linewidth=1, label="epoch used")
            ax.set(xlabel="epoch", ylabel=measure)
            ax.get_legend().remove()
        grid[0, column].set_title(headings[model], weight="bold", fontsize=11)
        grid[0, column].set_ylim(0, 1.02)
        grid[1, column].set_yscale("log")
    grid[0, -1].legend(loc="lower right")
    figure.align_ylabels()
    sns.despine(figure)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same pixels and the same bytes at every call."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _cell(picture: np.ndarray, wanted: int) -> tuple[int, int]:
    """Width and height, in the figure's pixels, of a picture magnified by a whole number to `wanted` wide or more."""
    height, width = picture.shape[1:]
    scale = math.ceil(wanted / width)
    return scale * width, scale * height


class _Canvas:
    """A figure laid out by hand, in pixels from its upper left corner, so that pictures are not resampled."""

    def __init__(self, width: int, height: int) -> None:
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
        self.width, self.height = width, height

    def picture(self, x: int, y: int, w: int, h: int, pixels: np.ndarray) -> None:
        box = (x / self.width, 1 - (y + h) / self.height, w / self.width, h / self.height)
        ax = self.figure.add_axes(box)
        ax.set_axis_off()
        ax.imshow(np.clip(pixels, 0, 1).transpose(1, 2, 0), interpolation="nearest")

    def text(self, x: float, y: float, text: str, *, size: float = 9, **style: object) -> None:
        # A person's name may hold $, which is no formula.
        self.figure.text(x / self.width, 1 - y / self.height, text, size=size, parse_math=False, **style)


def _short(name: str, length: int = 14) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"

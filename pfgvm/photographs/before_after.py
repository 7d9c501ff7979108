"""Figures of the faces in a protected photo."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from pfgvm.report.paper_figures import AMPLIFICATION, DPI, FONT

_GAP, _LEFT, _TOP = 9, 70, 40

# Faces in frames of one size, float in [0, 1], (3, H, W).
Faces = Sequence[np.ndarray]


def before_after(before: Faces, after: Faces) -> Figure:
    """One row per face, numbered from 1: before, after, and 10 x the absolute perturbation."""
    change = [AMPLIFICATION * np.abs(protected - clean) for clean, protected in zip(before, after, strict=True)]
    return _figure({"before": before, "after": after, f"|change| × {AMPLIFICATION}": change})


def modes_compared(original: Faces, by_mode: Mapping[str, Faces], chosen: str) -> Figure:
    """One row per face, numbered from 1: the original and its protected versions by mode; `chosen` is marked."""
    titles = {mode: f"{mode} (written)" if mode == chosen else mode for mode in by_mode}
    return _figure({"original": original} | {titles[mode]: faces for mode, faces in by_mode.items()}, titles[chosen])


def _figure(columns: Mapping[str, Faces], marked: str = "") -> Figure:
    """Columns of faces below their titles, drawn without interpolation; the title `marked` is bold."""
    rows = list(zip(*columns.values(), strict=True))
    height, width = rows[0][0].shape[1:]
    total = (_LEFT + len(columns) * (width + _GAP), _TOP + len(rows) * (height + _GAP))
    figure = Figure(figsize=(total[0] / DPI, total[1] / DPI), dpi=DPI, facecolor="white")

    def text(x: float, y: float, words: str, weight: str = "normal") -> None:
        place = (x / total[0], 1 - y / total[1])
        figure.text(*place, words, size=9, family=FONT, weight=weight, ha="center", va="center")

    for column, words in enumerate(columns):
        middle = _LEFT + column * (width + _GAP) + width / 2
        text(middle, _TOP / 2, words, "bold" if words == marked else "normal")
    for row, images in enumerate(rows):
        top = _TOP + row * (height + _GAP)
        text(_LEFT / 2, top + height / 2, f"face {row + 1}")
        for column, image in enumerate(images):
            left = _LEFT + column * (width + _GAP)
            box = (left / total[0], 1 - (top + height) / total[1], width / total[0], height / total[1])
            axes = figure.add_axes(box)
            axes.set_axis_off()
            axes.imshow(np.clip(image, 0, 1).transpose(1, 2, 0), interpolation="nearest", aspect="auto")
    return figure

"""Figure of the faces in a protected photo: before, after, and the perturbation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from pfgvm.report.paper_figures import AMPLIFICATION, DPI, FONT

_GAP, _LEFT, _TOP = 9, 70, 40


def before_after(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> Figure:
    """One row per face, numbered from 1: before, after, and 10 x the absolute perturbation.

    before, after: the same faces in the same frames, all of one size, float in [0, 1], (3, H, W), drawn without
    interpolation.
    """
    height, width = before[0].shape[1:]
    total = (_LEFT + 3 * (width + _GAP), _TOP + len(before) * (height + _GAP))
    figure = Figure(figsize=(total[0] / DPI, total[1] / DPI), dpi=DPI, facecolor="white")

    def text(x: float, y: float, words: str) -> None:
        place = (x / total[0], 1 - y / total[1])
        figure.text(*place, words, size=9, family=FONT, ha="center", va="center")

    for column, words in enumerate(("before", "after", f"|change| × {AMPLIFICATION}")):
        text(_LEFT + column * (width + _GAP) + width / 2, _TOP / 2, words)
    for row, (clean, protected) in enumerate(zip(before, after, strict=True)):
        top = _TOP + row * (height + _GAP)
        text(_LEFT / 2, top + height / 2, f"face {row + 1}")
        for column, image in enumerate((clean, protected, AMPLIFICATION * np.abs(protected - clean))):
            left = _LEFT + column * (width + _GAP)
            box = (left / total[0], 1 - (top + height) / total[1], width / total[0], height / total[1])
            axes = figure.add_axes(box)
            axes.set_axis_off()
            axes.imshow(np.clip(image, 0, 1).transpose(1, 2, 0), interpolation="nearest", aspect="auto")
    return figure

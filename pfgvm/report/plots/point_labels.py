"""Labels of points without overlap with each other and with points."""

from collections.abc import Sequence
from itertools import pairwise, product
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from pfgvm.report.plots.drawing import INK, SMALL

# Corners first, then sides, at increasing distances in points.
_DIRECTIONS = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))
_DISTANCES = (5, 9, 14, 20)
_NEAR = 9
_ALIGNMENT = {-1: ("right", "top"), 0: ("center", "center"), 1: ("left", "bottom")}
_LEADER = {"arrowstyle": "-", "color": INK, "alpha": 0.5, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2}
_MARKER = 4  # Half the side of a marker's square, in points.


def label_points(
    figure: Figure, ax: Axes, labels: Sequence[tuple[float, float, str]], lines: Sequence[np.ndarray]
) -> None:
    """Write each of `labels`, (x, y, text), next to its point, in order; labels without a free place are skipped.

    lines: the points of every line of `ax`, (n, 2). A label is within `ax` and overlaps no point and no other label,
    and no line if possible. It is nearer to its point than to any other, or has a leader line. The layout of `figure`
    must be final.
    """
    renderer = FigureCanvasAgg(figure).get_renderer()
    points = np.concatenate([ax.transData.transform(line) for line in lines])
    markers = [_around(place, _MARKER) for place in points]
    along = [_around(place, 1) for line in lines for place in _between(ax.transData.transform(line))]
    taken: list[Bbox] = []
    for x, y, text in labels:
        label = ax.annotate(
            text, (x, y), (0, 0), textcoords="offset points", size=SMALL, color=INK, arrowprops=dict(_LEADER)
        )
        leader = cast(FancyArrowPatch, label.arrow_patch)
        point = ax.transData.transform((x, y))
        for avoided, distance, (right, up) in product((along, []), _DISTANCES, _DIRECTIONS):
            label.set(position=(distance * right, distance * up), ha=_ALIGNMENT[right][0], va=_ALIGNMENT[up][1])
            label.update_positions(renderer)
            # The extent of the text without the leader line.
            box = Text.get_window_extent(label, renderer)
            near = distance <= _NEAR
            if near and _distances(box, point[None])[0] > _distances(box, points).min():
                continue
            if _within(box, ax.bbox) and not box.count_overlaps([*taken, *markers, *avoided]):
                taken.append(box)
                leader.set_visible(not near)
                break
        else:
            label.remove()


def _around(place: np.ndarray, half: float) -> Bbox:
    return Bbox([place - half, place + half])


def _within(box: Bbox, outer: Bbox) -> bool:
    return bool(outer.x0 <= box.x0 and box.x1 <= outer.x1 and outer.y0 <= box.y0 and box.y1 <= outer.y1)


def _distances(box: Bbox, places: np.ndarray) -> np.ndarray:
    """Distances, (n,), from `box` to each of `places`, (n, 2)."""
    return np.linalg.norm(places - places.clip(box.min, box.max), axis=1)


def _between(places: np.ndarray) -> list[np.ndarray]:
    """Places along the line through `places`, at most 3 points apart."""
    return [
        start + share * (end - start)
        for start, end in pairwise(places)
        for share in np.linspace(0, 1, 2 + int(np.linalg.norm(end - start) / 3))
    ]

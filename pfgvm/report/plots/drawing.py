"""The style of plots, and their conversion to SVG files with the text colour and font of the page around them."""

import io
import re
import warnings
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import numpy as np
import seaborn as sns
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

# In inches: at 960 pixels on the page, 9 points are 13 pixels.
WIDTH = 9.2
SMALL = 9
# Placeholder for the text colour of the page; no method has this colour.
INK = "#010203"
SHADE = 0.07
_INK_OF = ("text.color", "axes.labelcolor", "axes.edgecolor", "grid.color", "xtick.color", "ytick.color")
_STYLE = sns.axes_style("whitegrid") | {
    # Bundled with Matplotlib: the same layout on every machine.
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "figure.dpi": 72,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "grid.alpha": 0.15,
    "lines.linewidth": 1.5,
    "lines.markersize": 5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(_INK_OF, INK),
    # A name can contain $, which must not start a formula.
    "text.parse_math": False,
}
_TICKS = {"x": [0, 0.5, 1], "y": [0, 0.25, 0.5, 0.75, 1]}
_XLINK = "{http://www.w3.org/1999/xlink}href"
# Replaces Matplotlib's style rule for all elements, which would apply to the whole page.
_ROOT = {"role": "img", "font-family": "sans-serif", "stroke-linejoin": "round", "stroke-linecap": "butt"}
# Applies to the file by itself, not within a page.
_ALONE = "svg:root{background:#fff;color:#000}"

# Decorator that applies the style to a drawing function.
styled = rc_context(_STYLE)


def empty(height: float) -> Figure:
    """A figure of `height` inches without panels."""
    return Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))


def panels(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of `height` inches and its axes, (rows, columns); options: as for Figure.subplots."""
    figure = empty(height)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def from_0_to_1(ax: Axes, direction: str) -> None:
    """Scale the axis `direction` ("x" or "y") of `ax` for rates in per cent, with a margin for markers at both ends."""
    margin, axis = 0.04, ax.xaxis if direction == "x" else ax.yaxis
    ax.set(**{f"{direction}lim": (-margin, 1 + margin), f"{direction}ticks": _TICKS[direction]})
    axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))


def legend(figure: Figure, lines: Sequence[Line2D], columns: int = 4) -> None:
    """Add a legend of `lines` below the panels."""
    figure.legend(handles=lines, loc="outside lower center", ncols=min(columns, len(lines)))


def svg(figure: Figure, *, prefix: str, title: str) -> bytes:
    """The figure as an SVG file; the same bytes at every call.

    Within a page it has the width of its container and the page's background, font and text colour; `prefix` makes its
    ids unique there. By itself it is black on white. title: its accessible name.
    """
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": prefix, "svg.fonttype": "none"}), warnings.catch_warnings():
        # The browser's fonts are used, not Matplotlib's.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(["Creator", "Date", "Format", "Type"]))
    return _for_a_page(buffer.getvalue(), prefix, title)


def _for_a_page(drawn: bytes, prefix: str, title: str) -> bytes:
    root = ElementTree.fromstring(drawn)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        # HTML has no namespace prefixes.
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {name.rpartition("}")[2]: _attribute(name, text, prefix) for name, text in element.items()}
    size = root.attrib["viewBox"]
    root.attrib = {
        "xmlns": "http://www.w3.org/2000/svg",
        "viewBox": size,
        **_ROOT,
        "aria-labelledby": f"{prefix}-title",
    }
    for tag, text in (("style", _ALONE), ("title", title)):
        element = ElementTree.Element(tag)
        element.text = text
        root.insert(0, element)
    root[0].set("id", f"{prefix}-title")
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=False) + b"\n"


def _attribute(name: str, text: str, prefix: str) -> str:
    """The value of the attribute `name`, which Matplotlib wrote as `text`."""
    if name == "id":
        return f"{prefix}-{text}"
    if name == _XLINK:
        return text.replace("#", f"#{prefix}-")
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    if name != "style":
        return text
    declarations = [part.strip() for part in text.split(";")]
    without_font = [part for part in declarations if part and not part.startswith("font-family")]
    return "; ".join(without_font).replace(INK, "currentColor")

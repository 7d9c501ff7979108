"""The colour and marker of each method, the same in every plot."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

from pfgvm.methods import METHODS

# The first four are by Okabe and Ito (Color Universal Design, 2008). The others come from a search for colours that are
# distinct with colour blindness as well. All have a contrast of at least 3:1 against white and #15171a.
_BLUE, _VERMILION, _GREEN, _PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
_VIOLET, _GREY, _BROWN, _MAGENTA = "#8787ff", "#696969", "#875a3c", "#c30f96"


@dataclass(frozen=True)
class Style:
    """The style of a method: colour as #rrggbb, and Matplotlib marker."""

    colour: str
    marker: str


# The colour of a family, and the markers of its methods in order.
_FAMILIES = {
    "p_fgvm": (_BLUE, "os"),
    "i_fgvm": (_VERMILION, "^"),
    "i_fgsm": (_GREEN, "v"),
    "features": (_VIOLET, "Dos"),
    "minimum_norm": (_PURPLE, "osD"),
    "control": (_GREY, "oXP"),
    "conventional": (_BROWN, "soD^"),
}
_MARKERS = {family: itertools.cycle(markers) for family, (_, markers) in _FAMILIES.items()}
# In the order of legends.
KNOWN = {method.label: Style(_FAMILIES[method.family][0], next(_MARKERS[method.family])) for method in METHODS}
# For other tools.
_OTHERS = [Style(_MAGENTA, marker) for marker in "*P<>Xdso"]
SPLITS = {"train": _BLUE, "validation": _VERMILION}


def styles(methods: Iterable[str]) -> dict[str, Style]:
    """The style of each of `methods` (labels): those of KNOWN in its order, then others by name.

    The marker of another tool follows from its label; on a collision, the later one has the next free marker.
    """
    labels = set(methods)
    by_label = {label: style for label, style in KNOWN.items() if label in labels}
    for label in sorted(labels - set(KNOWN)):
        start = crc32(label.encode()) % len(_OTHERS)
        others = _OTHERS[start:] + _OTHERS[:start]
        by_label[label] = next((style for style in others if style not in by_label.values()), others[0])
    return by_label

"""One colour and one marker for each method, the same in every plot."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

from pfgvm.methods import METHODS

# The first four are Okabe's and Ito's (Color Universal Design, 2008). The rest were searched for: they stay apart from
# those and from each other, for the colour-blind too. All have a contrast of 3:1 and more against white and #15171a.
_BLUE, _VERMILION, _GREEN, _PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
_VIOLET, _GREY, _BROWN, _MAGENTA = "#8787ff", "#696969", "#875a3c", "#c30f96"


@dataclass(frozen=True)
class Style:
    """How a method is drawn: its colour as #rrggbb, and Matplotlib's marker."""

    colour: str
    marker: str


# The colour of a family, and the markers of its methods in turn.
_FAMILIES = {
    "p_fgvm": (_BLUE, "os"),
    "i_fgvm": (_VERMILION, "^"),
    "i_fgsm": (_GREEN, "v"),
    "features": (_VIOLET, "D"),
    "minimum_norm": (_PURPLE, "osD"),
    "control": (_GREY, "oX"),
    "conventional": (_BROWN, "soD^"),
}
_MARKERS = {family: itertools.cycle(markers) for family, (_, markers) in _FAMILIES.items()}
# In the order of legends.
KNOWN = {method.label: Style(_FAMILIES[method.family][0], next(_MARKERS[method.family])) for method in METHODS}
# Those of other tools.
_OTHERS = [Style(_MAGENTA, marker) for marker in "*P<>Xdso"]
SPLITS = {"train": _BLUE, "validation": _VERMILION}


def styles(methods: Iterable[str]) -> dict[str, Style]:
    """The style of each of `methods`, labels of tables: known ones in the order of KNOWN, then others by name.

    Another one's marker follows from its label; where two would have the same, the later has the next that is free.
    """
    labels = set(methods)
    found = {label: style for label, style in KNOWN.items() if label in labels}
    for label in sorted(labels - set(KNOWN)):
        start = crc32(label.encode()) % len(_OTHERS)
        others = _OTHERS[start:] + _OTHERS[:start]
        found[label] = next((style for style in others if style not in found.values()), others[0])
    return found

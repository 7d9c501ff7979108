"""In which forms the evaluation looks at an image."""

from collections.abc import Sequence

from pfgvm.evaluation.transforms import PURIFIERS, SURVIVAL

# The parts of the evaluation that compare pictures by recognisers.
BY_RECOGNISERS = frozenset({"recognition", "survival", "adaptive"})
# The 8-bit picture that would be published, and the clean image under noise of the same L2.
PUBLISHED = SURVIVAL[0]
CONTROL = "random of equal L2"


def views(parts: Sequence[str]) -> list[str]:
    """The views at which the `parts` of the evaluation look, as published first."""
    found = [PUBLISHED]
    if "recognition" in parts:
        found.append(CONTROL)
    if "survival" in parts:
        found += SURVIVAL[1:]
    if "adaptive" in parts:
        found += [purifier for purifier in PURIFIERS if purifier not in found]
    return found

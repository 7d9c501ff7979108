"""On which of the attacked images curves are measured."""

from collections.abc import Sequence

from pfgvm import seeding
from pfgvm.settings import Settings


def images_of_curves(names: Sequence[str], settings: Settings) -> list[str]:
    """evaluation.curves.images of the attacked images `names`, drawn once for all methods; all of them for null."""
    return seeding.shuffled(names, settings.attack.seed, "curve images")[: settings.evaluation.curves.images]

"""The selection of attacked images for the trade-off curves."""

from collections.abc import Sequence

from pfgvm import seeding
from pfgvm.settings import Settings


def images_of_curves(names: Sequence[str], settings: Settings) -> list[str]:
    """Draw evaluation.curves.images of the attacked images `names`, the same for all methods; null draws all."""
    return seeding.shuffled(names, settings.attack.seed, "curve images")[: settings.evaluation.curves.images]

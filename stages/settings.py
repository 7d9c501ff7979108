"""Check every setting before anything runs; its constant output makes no later stage stale."""

import sys
from pathlib import Path

from pfgvm.faces.sources import open_source
from pfgvm.models.descriptors import DESCRIPTORS
from pfgvm.settings import Settings
from stages.adversarial.descriptor_settings import descriptor_weights
from stages.common.files import atomic_write
from stages.common.program import read_settings, run


def main(*, out: Path) -> None:
    """Check params.yaml, and that the faces and the weights it names are there and of the right kind."""
    settings = read_settings()
    open_source(settings.data.source, Path(settings.data.root))
    _check_weights(settings)
    for warning in settings.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    with atomic_write(out) as partial:
        partial.write_text("params.yaml holds known settings of the right type and range.\n")


def _check_weights(settings: Settings) -> None:
    chosen = settings.train.B
    weights = descriptor_weights(chosen.descriptor, settings)
    # The installed ones are pinned by their hash.
    if weights == Path(chosen.weights):
        DESCRIPTORS[chosen.descriptor].module.load(settings.data.image_size, weights)


if __name__ == "__main__":
    run(main)

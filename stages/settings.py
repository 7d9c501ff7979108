"""Check every setting before any other stage runs; the constant output never makes a later stage stale."""

import sys
from pathlib import Path

from pfgvm.faces.sources import open_source
from pfgvm.models.descriptors import DESCRIPTORS
from pfgvm.settings import Settings
from stages.adversarial.descriptor_settings import descriptor_weights
from stages.common.files import atomic_write
from stages.common.program import read_settings, run


def main(*, out: Path) -> None:
    """Check params.yaml, and that the faces and weights that it names exist and are valid; then write `out`."""
    settings = read_settings()
    open_source(settings.data.source, Path(settings.data.root))
    _check_weights(settings)
    for warning in settings.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    with atomic_write(out) as partial:
        partial.write_text("params.yaml holds known settings of the right type and range.\n")


def _check_weights(settings: Settings) -> None:
    model_b = settings.train.B
    weights = descriptor_weights(model_b.descriptor, settings)
    # Installed weights are pinned by their hash and need no check.
    if weights == Path(model_b.weights):
        DESCRIPTORS[model_b.descriptor].module.load(settings.data.image_size, weights)


if __name__ == "__main__":
    run(main)

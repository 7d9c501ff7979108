"""Check every setting before anything runs; its constant output makes no later stage stale."""

import sys
from pathlib import Path

from pfgvm.evaluation.quality.lpips import lpips_metric
from pfgvm.evaluation.recognition.recognisers import open_recogniser, trial_faces
from pfgvm.faces.disk import check_that_dvc_can_hash
from pfgvm.faces.sources import open_source
from pfgvm.models.descriptors import DESCRIPTORS
from pfgvm.settings import Settings
from stages.common.descriptor_settings import descriptor_weights
from stages.common.files import atomic_write
from stages.common.program import read_settings, run


def main(*, out: Path) -> None:
    """Check params.yaml, and that the faces and the weights it names are there and of the right kind."""
    settings = read_settings()
    open_source(settings.data.source, Path(settings.data.root))
    check_that_dvc_can_hash(Path(settings.evaluation.root))
    _check_weights(settings)
    _check_recognisers(settings)
    if settings.evaluation.lpips:
        lpips_metric(Path(settings.evaluation.root, settings.evaluation.lpips))
    for warning in settings.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    with atomic_write(out) as partial:
        partial.write_text("params.yaml holds known settings of the right type and range.\n")


def _check_weights(settings: Settings) -> None:
    chosen = settings.train.B
    for name in dict.fromkeys([chosen.descriptor, *settings.attack.p_fgvm_features.descriptors]):
        weights = descriptor_weights(name, settings)
        if weights == Path(chosen.weights):
            # The installed ones are pinned by their hash.
            DESCRIPTORS[name].module.load(settings.data.image_size, weights)


def _check_recognisers(settings: Settings) -> None:
    chosen = settings.evaluation
    faces = trial_faces(settings.data.image_size)
    for name, line in chosen.recognisers.items():
        # The installed ones are pinned by their hash.
        if not isinstance(line, str):
            open_recogniser(name, line, Path(chosen.root), settings.data.image_size).embed(faces)


if __name__ == "__main__":
    run(main)

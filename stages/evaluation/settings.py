"""Check what the settings name for the evaluation alone; its constant output makes no later stage stale."""

from pathlib import Path

from pfgvm.evaluation.quality.lpips import lpips_metric
from pfgvm.evaluation.recognition.recognisers import open_recogniser, trial_faces
from pfgvm.faces.disk import check_that_dvc_can_hash
from stages.adversarial.descriptor_settings import descriptor_weights
from stages.common.files import atomic_write
from stages.common.program import read_settings, run


def main(*, out: Path) -> None:
    """Check that the recognisers, descriptors and weights that params.yaml names are there and of the right kind."""
    settings = read_settings()
    chosen = settings.evaluation
    check_that_dvc_can_hash(Path(chosen.root))
    for name in settings.attack.p_fgvm_features.descriptors:
        descriptor_weights(name, settings)
    faces = trial_faces(settings.data.image_size)
    for name, line in chosen.recognisers.items():
        open_recogniser(name, line, Path(chosen.root), settings.data.image_size).embed(faces)
    if chosen.lpips:
        lpips_metric(Path(chosen.root, chosen.lpips))
    with atomic_write(out) as partial:
        partial.write_text("The recognisers, descriptors and weights of the evaluation are in place.\n")


if __name__ == "__main__":
    run(main)

"""Check the settings of the evaluation; the constant output never makes a later stage stale."""

from pathlib import Path

from pfgvm.evaluation.quality.lpips import lpips_metric
from pfgvm.evaluation.recognition.recognisers import open_recogniser, trial_faces
from pfgvm.faces.disk import check_that_dvc_can_hash
from stages.adversarial.descriptor_settings import descriptor_weights
from stages.common.files import atomic_write
from stages.common.program import read_settings, run


def main(*, out: Path) -> None:
    """Check that the recognisers, descriptors and weights named in params.yaml exist and are valid; write `out`."""
    settings = read_settings()
    evaluation = settings.evaluation
    check_that_dvc_can_hash(Path(evaluation.root))
    for name in settings.attack.p_fgvm_features.descriptors:
        descriptor_weights(name, settings)
    faces = trial_faces(settings.data.image_size)
    for name, line in evaluation.recognisers.items():
        open_recogniser(name, line, Path(evaluation.root), settings.data.image_size).embed(faces)
    if evaluation.lpips:
        lpips_metric(Path(evaluation.root, evaluation.lpips))
    with atomic_write(out) as partial:
        partial.write_text("The recognisers, descriptors and weights of the evaluation are in place.\n")


if __name__ == "__main__":
    run(main)

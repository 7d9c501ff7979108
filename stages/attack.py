"""De-identify the attacked images with one method on one model."""

from pathlib import Path

from stages.adversarial.attacked_images import attacked_images
from stages.adversarial.making import MethodInputs, write_adversarial_set
from stages.common.program import read_settings, run
from stages.networks.resumable import WHOLE, Shard
from stages.networks.trained_model import TrainedModel


def main(*, method: str, model: Path, faces: Path, split: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write the images of `split`, de-identified with `method`, to `out`.

    model: the folder of the attacked model, or, for a method that attacks none, the parent folder of all models.
    faces: the zip of the originals.
    """
    settings = read_settings()
    rows = attacked_images(split, settings.attack)
    write_adversarial_set(method, MethodInputs(TrainedModel.read_all(model)[0], faces, rows, settings), out, shard)


if __name__ == "__main__":
    run(main)

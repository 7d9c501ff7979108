"""The random control: perturb each attacked image by noise of the same L2 norm as an attack's perturbation."""

from pathlib import Path

from stages.adversarial.attacked_images import attacked_images
from stages.adversarial.making import MethodInputs, write_adversarial_set
from stages.common.program import read_settings, run
from stages.networks.resumable import WHOLE, Shard
from stages.networks.trained_model import TrainedModel


def main(*, attacked: Path, model: Path, faces: Path, split: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write the images of `split`, with noise of the L2 norms of the set `attacked`, to `out`.

    model: the folder of the model on which `attacked` was computed. faces: the zip of the originals.
    """
    settings = read_settings()
    rows = attacked_images(split, settings.attack)
    inputs = MethodInputs(TrainedModel.read(model), faces, rows, settings, attacked)
    write_adversarial_set("random_equal_l2", inputs, out, shard)


if __name__ == "__main__":
    run(main)

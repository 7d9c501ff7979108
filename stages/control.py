"""Perturb the attacked images at random, each as far as an attack has perturbed it: the control."""

from pathlib import Path

from stages.adversarial.attacked_images import attacked_images
from stages.adversarial.making import Workshop, write_adversarial_set
from stages.common.program import read_settings, run
from stages.networks.resumable import WHOLE, Shard
from stages.networks.trained_model import TrainedModel


def main(*, attacked: Path, model: Path, faces: Path, split: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write the images of `split` under noise of the L2 norms of the set `attacked` to `out`.

    model: the folder of the model on which `attacked` was made.
    """
    settings = read_settings()
    rows = attacked_images(split, settings.attack)
    workshop = Workshop(TrainedModel.read(model), faces, rows, settings, attacked)
    write_adversarial_set("random_equal_l2", workshop, out, shard)


if __name__ == "__main__":
    run(main)

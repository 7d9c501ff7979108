"""De-identify some of the attacked images with P-FGVM from Gaussian noise (Figure 2)."""

from pathlib import Path

from pfgvm.attacks.methods.p_fgvm_noise import noise_images
from stages.adversarial.attacked_images import attacked_images
from stages.adversarial.making import MethodInputs, write_adversarial_set
from stages.common.program import read_settings, run
from stages.networks.resumable import WHOLE, Shard
from stages.networks.trained_model import TrainedModel


def main(*, model: Path, faces: Path, split: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write attack.p_fgvm_noise.images images of `split`, started from noise, to `out`.

    model: the folder of the attacked model. faces: the zip of the originals.
    """
    settings = read_settings()
    rows = attacked_images(split, settings.attack)
    rows = rows[rows["image"].isin(noise_images(settings.attack, list(rows["image"])))].reset_index(drop=True)
    write_adversarial_set("p_fgvm_noise", MethodInputs(TrainedModel.read(model), faces, rows, settings), out, shard)


if __name__ == "__main__":
    run(main)

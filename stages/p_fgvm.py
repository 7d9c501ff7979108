"""De-identify by P-FGVM."""

from pathlib import Path

from pfgvm.attacks.p_fgvm import p_fgvm
from stages.cell import attacked_images, write_cell
from stages.io import read_settings, run
from stages.models import read_facts
from stages.parts import WHOLE, Shard


def main(model: Path, faces: Path, split: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Attack the images of `split` on the model in the folder `model`; write them to `out`."""
    settings = read_settings()
    name = read_facts(model)["model"]
    values = {
        "step_size": settings.attack.p_fgvm.step_size[name],
        "iterations": settings.attack.p_fgvm.iterations[name],
        "penalty": settings.attack.penalty[name],
    }

    def attack(network, images, targets, names):
        return p_fgvm(network, images, targets, **values)

    write_cell(attack, attacked_images(split, settings), settings, model, faces, out, shard)


if __name__ == "__main__":
    run(main)

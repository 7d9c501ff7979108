"""De-identify by I-FGVM."""

from pathlib import Path

from pfgvm.attacks.i_fgvm import i_fgvm
from stages.cell import attacked_images, write_cell
from stages.io import read_settings, run
from stages.models import read_facts
from stages.parts import WHOLE, Shard


def main(model: Path, faces: Path, split: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Attack the images of `split` on the model in the folder `model`; write them to `out`."""
    settings = read_settings()
    name = read_facts(model)["model"]
    values = {
        "step_size": settings.attack.i_fgvm.step_size[name],
        "iterations": settings.attack.i_fgvm.iterations[name],
        "epsilon": settings.attack.i_fgvm.epsilon[name],
    }

    def attack(network, images, targets, names):
        return i_fgvm(network, images, targets, **values)

    write_cell(attack, attacked_images(split, settings), settings, model, faces, out, shard)


if __name__ == "__main__":
    run(main)

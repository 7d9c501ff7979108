"""The control: perturb each image at random, exactly as far as P-FGVM did."""

from pathlib import Path

import numpy as np
import torch

from pfgvm import keyed
from pfgvm.attacks.random_equal_l2 import random_equal_l2
from pfgvm.batches import padded
from pfgvm.metrics import l2
from stages.cell import attacked_images, write_cell
from stages.io import read_settings, run
from stages.parts import WHOLE, Shard


def main(model: Path, faces: Path, split: Path, p_fgvm: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Perturb the images of `split` as far in L2 as in the cell `p_fgvm`; write them to `out`."""
    settings = read_settings()
    rows = attacked_images(split, settings)
    # The rows of every cell stand in this order.
    row_of = {image: row for row, image in enumerate(rows["image"])}

    def perturb(network, images, targets, names):
        # Mapped anew for each batch, so that what was read does not stay in memory.
        pixels = np.load(p_fgvm, mmap_mode="r")["pixels"][[row_of[image] for image in names]]
        size = l2(torch.from_numpy(pixels), images[: len(names)].cpu())
        noise = [
            keyed.generator(settings.attack.seed, "random", image).standard_normal(images.shape[1:]) for image in names
        ]
        device, count = images.device, len(images)
        return random_equal_l2(
            images,
            padded(torch.from_numpy(np.stack(noise)).float(), count).to(device),
            padded(size, count).to(device),
        )

    write_cell(perturb, rows, settings, model, faces, out, shard, p_fgvm)


if __name__ == "__main__":
    run(main)

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


def main(model: Path, faces: Path, split: Path, p_fgvm: Path, out: Path) -> None:
    """Perturb the images of `split` as far in L2 as in the cell `p_fgvm`; write them to `out`."""
    settings = read_settings()
    cell = np.load(p_fgvm, mmap_mode="r")
    row_of = {image: row for row, image in enumerate(cell["image"])}

    def perturb(network, images, targets, names):
        originals = images.cpu().numpy()
        size = [l2(cell["pixels"][row_of[image]], original) for image, original in zip(names, originals)]
        noise = [
            keyed.generator(settings.attack.seed, "random", image).standard_normal(images.shape[1:]) for image in names
        ]
        device, count = images.device, len(images)
        return random_equal_l2(
            images,
            padded(torch.from_numpy(np.stack(noise)).float(), count).to(device),
            padded(torch.tensor(size), count).to(device),
        )

    write_cell(perturb, attacked_images(split, settings), settings, model, faces, out)


if __name__ == "__main__":
    run(main)

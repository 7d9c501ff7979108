"""De-identify by P-FGVM from Gaussian noise (Figure 2)."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pfgvm import device as machine
from pfgvm import keyed
from pfgvm.attacks.p_fgvm import p_fgvm
from pfgvm.batches import padded
from stages.cell import attacked_images, read_batch, write_cell
from stages.io import read_settings, run, write_whole
from stages.models import read_facts, read_model
from stages.parts import WHOLE, Shard


def main(model: Path, faces: Path, split: Path, out: Path, iterates: Path, shard: Shard = WHOLE) -> None:
    """Attack the images of `split` on the model in the folder `model`; write the results to `out`.

    The iterates of one image, those that Figure 2 shows, go to `iterates`: rows of `image`, `step` and `pixels`.
    """
    settings = read_settings()
    chosen = settings.attack
    facts = read_facts(model)
    steps = chosen.p_fgvm.iterations[facts["model"]]
    values = {"step_size": chosen.p_fgvm.step_size[facts["model"]], "penalty": chosen.penalty[facts["model"]]}
    rows = attacked_images(split, settings)
    drawn = keyed.shuffled(rows["image"], chosen.seed, "noise images")[: chosen.noise_images]

    def noise(images, names):
        drawn = [
            keyed.generator(chosen.seed, "noise", image).normal(chosen.noise_mean, chosen.noise_std, images.shape[1:])
            for image in names
        ]
        return padded(torch.from_numpy(np.stack(drawn)).float(), len(images)).to(images.device)

    def attack(network, images, targets, names):
        return p_fgvm(network, images, targets, iterations=steps, start=noise(images, names), **values)

    def evolution(network, shown):
        # As large a batch as the cell's: with one image alone, two runs of Model B differ in the last digits.
        images, targets = read_batch(network, facts, rows[rows["image"] == shown], settings, faces, chosen.batch_size)
        iterate = noise(images, [shown])
        yield 0, iterate
        # An update knows only the iterate before it, so running on from one gives the next.
        for done, step in pairwise([0, *_shown_steps(steps)]):
            iterate = p_fgvm(network, images, targets, iterations=step - done, start=iterate, **values)
            yield step, iterate

    if shard.count == 1:
        network = read_model(model, machine.choose(settings.device, chosen.precision))
        with write_whole(iterates) as partial, open(partial, "wb") as file:
            np.save(file, _evolution_table(drawn[0], evolution(network, drawn[0])))
    attacked = rows[rows["image"].isin(drawn)].reset_index(drop=True)
    write_cell(attack, attacked, settings, model, faces, out, shard)


def _shown_steps(iterations: int) -> list[int]:
    """Where Figure 2 looks: densely at first, where the image changes most, and at the end."""
    return sorted({step for step in (1, 2, 5, 10, 20) if step < iterations} | {iterations})


def _evolution_table(image: str, evolution: Iterable[tuple[int, Tensor]]) -> np.ndarray:
    rows = [(image, step, iterate[0].cpu().numpy()) for step, iterate in evolution]
    shape = rows[0][2].shape
    return np.array(rows, dtype=[("image", f"U{len(image)}"), ("step", np.int32), ("pixels", np.float32, shape)])


if __name__ == "__main__":
    run(main)

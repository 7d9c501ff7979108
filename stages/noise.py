"""De-identify by P-FGVM from Gaussian noise (Figure 2)."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from pfgvm import keyed
from pfgvm.attacks.p_fgvm import p_fgvm
from pfgvm.batches import padded
from stages.cell import attacked_images, write_cell
from stages.io import read_settings, run, write_whole
from stages.models import read_facts


def main(model: Path, faces: Path, split: Path, out: Path, iterates: Path) -> None:
    """Attack the images of `split` on the model in the folder `model`; write the results to `out`.

    The iterates of one image, those that Figure 2 shows, go to `iterates`: rows of `image`, `step` and `pixels`.
    """
    settings = read_settings()
    chosen = settings.attack
    name = read_facts(model)["model"]
    step_size, iterations = chosen.p_fgvm.step_size[name], chosen.p_fgvm.iterations[name]
    rows = attacked_images(split, settings)
    drawn = keyed.shuffled(rows["image"], chosen.seed, "noise images")[: chosen.noise_images]
    shown, steps = drawn[0], _steps(iterations)
    evolution = {}

    def attack(network, images, targets, names):
        noise = [
            keyed.generator(chosen.seed, "noise", image).normal(chosen.noise_mean, chosen.noise_std, images.shape[1:])
            for image in names
        ]
        iterate = padded(torch.from_numpy(np.stack(noise)).float(), len(images)).to(images.device)
        # An update knows only the iterate before it, so running on from one gives the next.
        for done, step in pairwise([0, *steps]):
            if shown in names:
                evolution[done] = iterate[names.index(shown)].cpu().numpy()
            iterate = p_fgvm(
                network,
                images,
                targets,
                step_size=step_size,
                iterations=step - done,
                penalty=chosen.penalty[name],
                start=iterate,
            )
        if shown in names:
            evolution[iterations] = iterate[names.index(shown)].cpu().numpy()
        return iterate

    write_cell(attack, rows[rows["image"].isin(drawn)].reset_index(drop=True), settings, model, faces, out)
    with write_whole(iterates) as partial, open(partial, "wb") as file:
        np.save(file, _evolution_table(shown, evolution))


def _steps(iterations: int) -> list[int]:
    """Where Figure 2 looks: densely at first, where the image changes most, and at the end."""
    return sorted({step for step in (1, 2, 5, 10, 20) if step < iterations} | {iterations})


def _evolution_table(image: str, evolution: dict[int, np.ndarray]) -> np.ndarray:
    shape = next(iter(evolution.values())).shape
    rows = [(image, step, pixels) for step, pixels in sorted(evolution.items())]
    return np.array(rows, dtype=[("image", f"U{len(image)}"), ("step", np.int32), ("pixels", np.float32, shape)])


if __name__ == "__main__":
    run(main)

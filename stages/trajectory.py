"""Follow one image through P-FGVM from Gaussian noise (Figure 2)."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from torch import Tensor

from pfgvm.attacks.common.context import Context
from pfgvm.attacks.methods import p_fgvm, p_fgvm_noise
from stages.adversarial.attacked_images import attacked_images
from stages.adversarial.making import Workshop
from stages.common.files import atomic_write
from stages.common.program import read_settings, run
from stages.networks.trained_model import TrainedModel


def main(*, model: Path, faces: Path, split: Path, out: Path) -> None:
    """Write the iterates that Figure 2 shows, of one image on the model in the folder `model`, to `out`.

    Rows of `image`, `step` and `pixels`; the image is the first of those drawn for the noise start.
    """
    settings = read_settings()
    attack = settings.attack
    trained = TrainedModel.read(model)
    rows = attacked_images(split, attack)
    [image] = p_fgvm_noise.noise_images(attack, list(rows["image"]))[:1]
    # As large a batch as the attack's: another size would move the last digits.
    context = Workshop(trained, faces, rows, settings).context(rows[rows["image"] == image])
    values = p_fgvm.parameters(attack, trained.record.model)
    noise = attack.p_fgvm_noise
    start = p_fgvm_noise.gaussian_start(context.images, context.names, seed=attack.seed, mean=noise.mean, std=noise.std)
    found = [(image, step, iterate[0].cpu().numpy()) for step, iterate in _iterates(context, start, **values)]
    row = [("image", f"U{len(image)}"), ("step", np.int32), ("pixels", np.float32, found[0][2].shape)]
    with atomic_write(out) as partial, open(partial, "wb") as file:
        np.save(file, np.array(found, dtype=row))


def _iterates(context: Context, start: Tensor, *, iterations: int, **values: float) -> Iterator[tuple[int, Tensor]]:
    yield 0, start
    # Densely at first, where the image changes most. An update knows only the iterate before it, so going on from one
    # gives the next.
    for done, step in pairwise([0, *(step for step in (1, 2, 5, 10, 20) if step < iterations), iterations]):
        start = p_fgvm.p_fgvm(
            context.model, context.images, context.targets, iterations=step - done, start=start, **values
        )
        yield step, start


if __name__ == "__main__":
    run(main)

"""Follow one image through P-FGVM from Gaussian noise (Figure 2)."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from torch import Tensor

from pfgvm.attacks.common.context import Context
from pfgvm.attacks.methods import p_fgvm, p_fgvm_noise
from stages.adversarial.attacked_images import attacked_images
from stages.adversarial.making import MethodInputs
from stages.common.files import atomic_write
from stages.common.program import read_settings, run
from stages.networks.trained_model import TrainedModel


def main(*, model: Path, faces: Path, split: Path, out: Path) -> None:
    """Write the iterates of one image, as in Figure 2, to `out`: rows of `image`, `step` and `pixels`.

    The image is the first of those drawn for the noise start. model: the folder of the attacked model. faces: the zip
    of the originals.
    """
    settings = read_settings()
    attack = settings.attack
    trained = TrainedModel.read(model)
    rows = attacked_images(split, attack)
    [image] = p_fgvm_noise.noise_images(attack, list(rows["image"]))[:1]
    # The attack's batch size: another one changes the last digits.
    context = MethodInputs(trained, faces, rows, settings).context(rows[rows["image"] == image])
    values = p_fgvm.parameters(attack, trained.record.model)
    noise = attack.p_fgvm_noise
    start = p_fgvm_noise.gaussian_start(context.images, context.names, seed=attack.seed, mean=noise.mean, std=noise.std)
    iterates = [(image, step, iterate[0].cpu().numpy()) for step, iterate in _iterates(context, start, **values)]
    row = [("image", f"U{len(image)}"), ("step", np.int32), ("pixels", np.float32, iterates[0][2].shape)]
    with atomic_write(out) as partial, open(partial, "wb") as file:
        np.save(file, np.array(iterates, dtype=row))


def _iterates(context: Context, start: Tensor, *, iterations: int, **values: float) -> Iterator[tuple[int, Tensor]]:
    yield 0, start
    # Densely at first, where the image changes most. An update depends on the previous iterate alone, so each segment
    # can start from the last iterate of the one before.
    for done, step in pairwise([0, *(step for step in (1, 2, 5, 10, 20) if step < iterations), iterations]):
        start = p_fgvm.p_fgvm(
            context.model, context.images, context.targets, iterations=step - done, start=start, **values
        )
        yield step, start


if __name__ == "__main__":
    run(main)

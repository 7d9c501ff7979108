"""One cell of Table 3: one attack on one model over the attacked images, batch by batch."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from pfgvm import device as machine
from pfgvm import keyed
from pfgvm.batches import batches, padded
from pfgvm.settings import Settings
from pfgvm.targets import choose_targets
from stages.faces import read_images
from stages.io import read_table, write_whole
from stages.models import read_facts, read_model

# model, images (B, 3, H, W), targets (B,), the images' names -> de-identified images
Attack = Callable[[nn.Module, Tensor, Tensor, Sequence[str]], Tensor]


def attacked_images(split: Path, settings: Settings) -> pd.DataFrame:
    """The rows of `split` that are attacked: all, or attack.images_per_person of each person, drawn by name."""
    table = read_table(split)
    cap = settings.attack.images_per_person
    if cap is None:
        return table
    chosen = {
        image
        for person, images in table.groupby("person")["image"]
        for image in keyed.shuffled(images, settings.attack.seed, "attacked", person)[:cap]
    }
    return table[table["image"].isin(chosen)].reset_index(drop=True)


def write_cell(attack: Attack, rows: pd.DataFrame, settings: Settings, model: Path, faces: Path, out: Path) -> None:
    """Attack the images of `rows` on the model in the folder `model`; write them to `out` (see `cell_type`)."""
    facts = read_facts(model)
    device = machine.choose(settings.device)
    network = read_model(model, device)
    image_size = (facts["image_height"], facts["image_width"])
    size = settings.attack.batch_size
    with write_whole(out) as partial:
        cell = np.lib.format.open_memmap(
            partial, "w+", cell_type(rows["image"], facts["classes"], image_size), shape=(len(rows),)
        )
        title = f"{out.stem} {facts['model']}"
        for part in tqdm(list(batches(len(rows), size)), desc=title, unit="batch", disable=None):
            names = list(rows["image"][part])
            classes = torch.tensor([facts["classes"].index(person) for person in rows["person"][part]])
            images = padded(torch.from_numpy(read_images(faces, names, image_size)), size).to(device)
            targets = _targets(network, settings, names, padded(classes, size).to(device), images)
            adversarial = attack(network, images, targets, names)
            cell["image"][part] = names
            cell["target"][part] = [facts["classes"][target] for target in targets[: len(names)].tolist()]
            cell["pixels"][part] = adversarial[: len(names)].cpu().numpy()
        cell.flush()


def cell_type(images: Sequence[str], persons: Sequence[str], image_size: tuple[int, int]) -> np.dtype:
    """One row of a cell's file: `image`, its `target` person, and the `pixels`, float32 in [0, 1], (3, H, W)."""
    return np.dtype(
        [
            ("image", f"U{max(map(len, images))}"),
            ("target", f"U{max(map(len, persons))}"),
            ("pixels", np.float32, (3, *image_size)),
        ]
    )


def _targets(network: nn.Module, settings: Settings, names: list[str], classes: Tensor, images: Tensor) -> Tensor:
    with torch.no_grad():
        logits = network(images)
    filled = names + names[-1:] * (len(images) - len(names))
    return choose_targets(settings.attack.target, filled, classes, logits, settings.attack.seed)

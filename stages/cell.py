"""One cell of Table 3: one attack on one model over the attacked images, batch by batch."""

import functools
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from pfgvm import device as machine
from pfgvm import keyed
from pfgvm.batches import padded
from pfgvm.settings import Settings
from pfgvm.targets import choose_targets
from stages.faces import read_images
from stages.models import model_files, read_facts, read_model
from stages.parts import Shard, fingerprint, write_in_parts
from stages.tables import read_table

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


def write_cell(
    attack: Attack,
    rows: pd.DataFrame,
    settings: Settings,
    model: Path,
    faces: Path,
    out: Path,
    shard: Shard,
    *others: Path,
) -> None:
    """Attack the images of `rows` on the model in the folder `model`; write them to `out` (see `cell_type`).

    others: the files besides that `attack` reads.
    """
    facts = read_facts(model)
    size = settings.attack.batch_size
    row = cell_type(rows["image"], facts["classes"], (facts["image_height"], facts["image_width"]))

    @functools.cache
    def network() -> nn.Module:
        return read_model(model, machine.choose(settings.device, settings.attack.precision))

    def make(part: slice) -> bytes:
        names = list(rows["image"][part])
        images, targets = read_batch(network(), facts, rows[part], settings, faces, size)
        adversarial = attack(network(), images, targets, names)
        cell = np.empty(len(names), row)
        cell["image"] = names
        cell["target"] = [facts["classes"][target] for target in targets[: len(names)].tolist()]
        cell["pixels"] = adversarial[: len(names)].cpu().numpy()
        return cell.tobytes()

    key = fingerprint([*model_files(model), faces, *others], rows.to_csv(), settings.attack, settings.device)
    write_in_parts(out, _header(row, len(rows)), len(rows), size, make, key, shard)


def read_batch(
    network: nn.Module, facts: dict, rows: pd.DataFrame, settings: Settings, faces: Path, batch_size: int
) -> tuple[Tensor, Tensor]:
    """The images of `rows`, (batch_size, 3, H, W), and their targets, (batch_size,), both padded, where `network` is.

    facts: of the network's training.
    """
    names = list(rows["image"])
    device = next(network.parameters()).device
    pixels = read_images(faces, names, (facts["image_height"], facts["image_width"]))
    images = padded(torch.from_numpy(pixels), batch_size).to(device)
    classes = torch.tensor([facts["classes"].index(person) for person in rows["person"]])
    with torch.no_grad():
        logits = network(images)
    filled = names + names[-1:] * (batch_size - len(names))
    chosen = settings.attack
    return images, choose_targets(chosen.target, filled, padded(classes, batch_size).to(device), logits, chosen.seed)


def _header(row: np.dtype, count: int) -> bytes:
    file = io.BytesIO()
    array = {"descr": np.lib.format.dtype_to_descr(row), "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, array)
    return file.getvalue()


def cell_type(images: Sequence[str], persons: Sequence[str], image_size: tuple[int, int]) -> np.dtype:
    """One row of a cell's file: `image`, its `target` person, and the `pixels`, float32 in [0, 1], (3, H, W)."""
    return np.dtype(
        [
            ("image", f"U{max(map(len, images))}"),
            ("target", f"U{max(map(len, persons))}"),
            ("pixels", np.float32, (3, *image_size)),
        ]
    )

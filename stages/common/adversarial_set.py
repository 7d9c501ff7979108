"""The de-identified images of one method on one model, as a file, and the batches that they are made from."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from pfgvm import seeding
from pfgvm.attacks.common.method import Batch, Method
from pfgvm.attacks.common.targets import choose_targets
from pfgvm.models.batching import padded
from pfgvm.settings import Attack
from stages.common.data_frames import read_table
from stages.common.face_archive import read_images
from stages.common.trained_model import TrainedModel


def attacked_images(split: Path, attack: Attack, method: Method) -> pd.DataFrame:
    """The rows of the CSV `split` that `method` attacks: all, or attack.images_per_person of each person, by name."""
    table = read_table(split)
    if attack.images_per_person is not None:
        drawn = {
            image
            for person, images in table.groupby("person")["image"]
            for image in seeding.shuffled(images, attack.seed, "attacked", person)[: attack.images_per_person]
        }
        table = table[table["image"].isin(drawn)]
    chosen = method.chosen(attack, list(table["image"]))
    return table[table["image"].isin(chosen)].reset_index(drop=True)


def read_batch(network: nn.Module, trained: TrainedModel, rows: pd.DataFrame, faces: Path, attack: Attack) -> Batch:
    """The images of `rows` with their targets, on the device of `network`, padded to attack.batch_size."""
    count = attack.batch_size
    names = list(rows["image"])
    names += names[-1:] * (count - len(names))
    device = next(network.parameters()).device
    pixels = read_images(faces, list(rows["image"]), trained.record.image_size)
    images = padded(torch.from_numpy(pixels), count).to(device)
    persons = torch.tensor([trained.record.classes.index(person) for person in rows["person"]])
    with torch.no_grad():
        logits = network(images)
    targets = choose_targets(attack.target, names, padded(persons, count).to(device), logits, attack.seed)
    return Batch(network, images, targets, names, followed=None)


def read_set(path: Path) -> np.ndarray:
    """The set in the file `path` (see `row_type`), read from disk where it is looked at."""
    return np.load(path, mmap_mode="r")


def row_type(images: Sequence[str], persons: Sequence[str], image_size: tuple[int, int]) -> np.dtype:
    """One row of a set's file: `image`, its `target` person, and the `pixels`, float32 in [0, 1], (3, H, W)."""
    return np.dtype(
        [
            ("image", f"U{max(map(len, images))}"),
            ("target", f"U{max(map(len, persons))}"),
            ("pixels", np.float32, (3, *image_size)),
        ]
    )


def header(row: np.dtype, count: int) -> bytes:
    """What comes before `count` rows in a file that numpy.load reads."""
    file = io.BytesIO()
    array = {"descr": np.lib.format.dtype_to_descr(row), "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, array)
    return file.getvalue()

"""Which images a method attacks, and the batches that it is given."""

from pathlib import Path

import pandas as pd
import torch
from torch import nn

from pfgvm.attacks.common.method import Batch, Method
from pfgvm.attacks.common.targets import choose_targets
from pfgvm.models.batching import padded
from pfgvm.settings import Attack
from stages.common.attacked_rows import attacked_rows
from stages.common.face_archive import read_images
from stages.common.trained_model import TrainedModel


def attacked_images(split: Path, attack: Attack, method: Method) -> pd.DataFrame:
    """Those of `attacked_rows` that `method` takes."""
    table = attacked_rows(split, attack)
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

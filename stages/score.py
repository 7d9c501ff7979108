"""Score one cell: every image, as computed and as the 8-bit picture that would be published."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from pfgvm import device as machine
from pfgvm.batches import batches, padded
from pfgvm.faces.images import to_8bit
from pfgvm.methods import LABELS
from pfgvm.metrics import l2, linf, mssim, mssim_legacy
from pfgvm.settings import Settings
from stages.faces import read_images
from stages.io import read_settings, read_table, run, write_table
from stages.models import read_facts, read_model


def main(method: str, model: Path, faces: Path, split: Path, cell: Path, out: Path) -> None:
    """Write the scores of the images in `cell`, made by `method` on the model in the folder `model`, to `out`."""
    settings = read_settings()
    facts = read_facts(model)
    images = np.load(cell, mmap_mode="r")
    known = read_table(split).set_index("image")
    table = pd.DataFrame(_rows(images, settings, model, facts, faces))
    table.insert(1, "person", table["image"].map(known["person"]))
    table.insert(2, "split", table["image"].map(known["split"]))
    table.insert(3, "model", facts["model"])
    table.insert(4, "method", LABELS[method])
    write_table(table, out)


def _rows(cell: np.ndarray, settings: Settings, model: Path, facts: dict, faces: Path) -> Iterator[dict]:
    device = machine.choose(settings.device)
    network = read_model(model, device)
    size = settings.attack.batch_size
    for part in batches(len(cell), size):
        rows = cell[part]
        originals = read_images(faces, list(rows["image"]), (facts["image_height"], facts["image_width"]))
        predicted_clean = _predicted(network, originals, facts["classes"], size, device)
        eight_bit = to_8bit(rows["pixels"]).astype(np.float32) / np.float32(255)
        for pixels, deidentified in (("float", rows["pixels"]), ("8bit", eight_bit)):
            predicted = _predicted(network, deidentified, facts["classes"], size, device)
            for index, (image, original) in enumerate(zip(deidentified, originals)):
                yield {
                    "image": rows["image"][index],
                    "pixels": pixels,
                    "target": rows["target"][index],
                    "predicted_clean": predicted_clean[index],
                    "predicted": predicted[index],
                    "l2": l2(image, original),
                    "linf": linf(image, original),
                    "mssim": mssim(image, original),
                    "mssim_legacy": mssim_legacy(image, original),
                }


@torch.no_grad()
def _predicted(
    network: nn.Module, images: np.ndarray, classes: list[str], batch_size: int, device: torch.device
) -> list[str]:
    logits = network(padded(torch.from_numpy(np.array(images)), batch_size).to(device))
    return [classes[index] for index in logits[: len(images)].argmax(1).tolist()]


if __name__ == "__main__":
    run(main)

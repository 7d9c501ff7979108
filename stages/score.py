"""Score one cell: every image, as computed and as the 8-bit picture that would be published."""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from pfgvm import device as machine
from pfgvm.batches import padded
from pfgvm.faces.images import to_8bit
from pfgvm.methods import LABELS
from pfgvm.metrics import l2, linf, mssim, mssim_legacy
from stages.faces import read_images
from stages.io import read_settings, read_table, run
from stages.models import model_files, read_facts, read_model
from stages.parts import WHOLE, Shard, fingerprint, write_in_parts

COLUMNS = ["image", "person", "split", "model", "method", "pixels", "target", "predicted_clean", "predicted"]
COLUMNS += ["l2", "linf", "mssim", "mssim_legacy"]


def main(method: str, model: Path, faces: Path, split: Path, cell: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write the scores of the images in `cell`, made by `method` on the model in the folder `model`, to `out`."""
    settings = read_settings()
    facts = read_facts(model)
    known = read_table(split).set_index("image")
    size = settings.attack.batch_size

    @functools.cache
    def network() -> nn.Module:
        return read_model(model, machine.choose(settings.device))

    def make(part: slice) -> bytes:
        # Mapped anew for each batch, so that what was read does not stay in memory.
        rows = np.load(cell, mmap_mode="r")[part]
        originals = read_images(faces, list(rows["image"]), (facts["image_height"], facts["image_width"]))
        table = pd.DataFrame(_scores(network(), rows, originals, facts["classes"], size))
        table["person"] = table["image"].map(known["person"])
        table["split"] = table["image"].map(known["split"])
        table["model"] = facts["model"]
        table["method"] = LABELS[method]
        return _csv(table[COLUMNS], header=False)

    key = fingerprint([*model_files(model), faces, split, cell], size, settings.device)
    count = len(np.load(cell, mmap_mode="r"))
    write_in_parts(out, _csv(pd.DataFrame(columns=COLUMNS)), count, size, make, key, shard)


def _scores(
    network: nn.Module, rows: np.ndarray, originals: np.ndarray, classes: list[str], batch_size: int
) -> Iterator[dict]:
    predicted_clean = _predicted(network, originals, classes, batch_size)
    eight_bit = to_8bit(rows["pixels"]).astype(np.float32) / np.float32(255)
    for pixels, deidentified in (("float", rows["pixels"]), ("8bit", eight_bit)):
        predicted = _predicted(network, deidentified, classes, batch_size)
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
def _predicted(network: nn.Module, images: np.ndarray, classes: list[str], batch_size: int) -> list[str]:
    device = next(network.parameters()).device
    logits = network(padded(torch.from_numpy(np.array(images)), batch_size).to(device))
    return [classes[index] for index in logits[: len(images)].argmax(1).tolist()]


def _csv(table: pd.DataFrame, header: bool = True) -> bytes:
    return table.to_csv(index=False, header=header, lineterminator="\n").encode()


if __name__ == "__main__":
    run(main)

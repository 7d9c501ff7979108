"""Score one cell: every image, as computed and as the 8-bit picture that would be published."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from pfgvm import device as machine
from pfgvm.batches import padded
from pfgvm.faces.images import to_8bit
from pfgvm.methods import LABELS
from pfgvm.metrics import l2, linf, mssim
from stages.faces import read_images
from stages.io import read_settings, run
from stages.models import model_files, read_facts, read_model
from stages.parts import WHOLE, Shard, fingerprint, write_in_parts
from stages.tables import read_table

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
        table = _scores(network(), rows, torch.from_numpy(originals), facts["classes"], size)
        table["person"] = table["image"].map(known["person"])
        table["split"] = table["image"].map(known["split"])
        table["model"] = facts["model"]
        table["method"] = LABELS[method]
        return _csv(table[COLUMNS], header=False)

    key = fingerprint([*model_files(model), faces, split, cell], size, settings.device)
    count = len(np.load(cell, mmap_mode="r"))
    write_in_parts(out, _csv(pd.DataFrame(columns=COLUMNS)), count, size, make, key, shard)


def _scores(
    network: nn.Module, rows: np.ndarray, originals: Tensor, classes: list[str], batch_size: int
) -> pd.DataFrame:
    device = next(network.parameters()).device
    eight_bit = to_8bit(rows["pixels"]).astype(np.float32) / np.float32(255)
    predicted_clean = _predicted(network, originals, classes, batch_size)
    tables = []
    for pixels, values in (("float", rows["pixels"]), ("8bit", eight_bit)):
        images = torch.from_numpy(np.array(values))
        wang, legacy = mssim(images.to(device), originals.to(device))
        columns = {
            "image": rows["image"],
            "pixels": pixels,
            "target": rows["target"],
            "predicted_clean": predicted_clean,
            "predicted": _predicted(network, images, classes, batch_size),
            "l2": l2(images, originals),
            "linf": linf(images, originals),
            "mssim": wang.cpu(),
            "mssim_legacy": legacy.cpu(),
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables)


@torch.no_grad()
def _predicted(network: nn.Module, images: Tensor, classes: list[str], batch_size: int) -> list[str]:
    device = next(network.parameters()).device
    logits = network(padded(images, batch_size).to(device))
    return [classes[index] for index in logits[: len(images)].argmax(1).tolist()]


def _csv(table: pd.DataFrame, header: bool = True) -> bytes:
    return table.to_csv(index=False, header=header, lineterminator="\n").encode()


if __name__ == "__main__":
    run(main)

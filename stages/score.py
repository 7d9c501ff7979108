"""Score one adversarial set: every image, as computed and as the 8-bit picture that would be published."""

import functools
from pathlib import Path

import pandas as pd
from torch import nn

from pfgvm.evaluation.scoring import SCORE_COLUMNS, score_images
from pfgvm.models.batching import batches
from stages.common.adversarial_set import read_set
from stages.common.computing import configure_device
from stages.common.data_frames import csv_text, read_table
from stages.common.face_archive import read_images
from stages.common.program import read_settings, run
from stages.common.resumable import WHOLE, Shard, fingerprint, write_in_batches
from stages.common.trained_model import TrainedModel


def main(*, model: Path, faces: Path, split: Path, adversarial: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write the scores of the set `adversarial`, made on the model in the folder `model`, to `out`."""
    settings = read_settings()
    trained = TrainedModel.read(model)
    known = read_table(split).set_index("image")
    size = settings.attack.batch_size

    @functools.cache
    def network() -> nn.Module:
        return trained.network(configure_device(settings.device))

    def make(part: slice) -> bytes:
        # Opened anew for each batch, so that what was read does not stay in memory.
        rows = read_set(adversarial)[part]
        originals = read_images(faces, list(rows["image"]), trained.record.image_size)
        table = score_images(network(), rows["pixels"], originals, trained.record.classes, size)
        # Twice each image: as floats, then as 8-bit pictures.
        table["image"] = [*rows["image"], *rows["image"]]
        table["target"] = [*rows["target"], *rows["target"]]
        table["person"] = table["image"].map(known["person"])
        table["split"] = table["image"].map(known["split"])
        table["model"] = trained.record.model
        table["method"] = [*rows["method"], *rows["method"]]
        return csv_text(table[SCORE_COLUMNS], header=False)

    key = fingerprint([*trained.files, faces, split, adversarial], size, settings.device)
    parts = batches(len(read_set(adversarial)), size)
    write_in_batches(out, csv_text(pd.DataFrame(columns=SCORE_COLUMNS)), parts, make, key=key, shard=shard)


if __name__ == "__main__":
    run(main)

"""Score one adversarial set: every image as computed (float) and as published (8-bit)."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from pfgvm.evaluation.scoring import SCORE_COLUMNS, score_images
from pfgvm.models.batching import batches
from stages.adversarial.adversarial_set import read_set
from stages.common.data_frames import csv_text, read_table
from stages.common.face_archive import read_images
from stages.common.program import read_settings, run
from stages.networks.computing import configure_device
from stages.networks.resumable import WHOLE, Shard, fingerprint, write_in_batches
from stages.networks.trained_model import TrainedModel


def main(*, model: Path, faces: Path, split: Path, adversarial: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write the scores of the set `adversarial` to `out`.

    model: the folder of the attacked model, or the parent folder of all models, each of which then scores the set.
    faces: the zip of the originals. split: the split of all images.
    """
    settings = read_settings()
    models = TrainedModel.read_all(model)
    split_rows = read_table(split).set_index("image")
    size = settings.attack.batch_size

    @functools.cache
    def network(trained: TrainedModel) -> nn.Module:
        return trained.network(configure_device(settings.device))

    def make(part: slice) -> bytes:
        # Opened anew for each batch, so that the rows of earlier batches do not stay in memory.
        rows = read_set(adversarial)[part]
        originals = read_images(faces, list(rows["image"]), models[0].record.image_size)
        return b"".join(scores_by(trained, rows, originals) for trained in models)

    def scores_by(trained: TrainedModel, rows: np.ndarray, originals: np.ndarray) -> bytes:
        table = score_images(network(trained), rows["pixels"], originals, trained.record.classes, size)
        # Every image twice: as floats, then as 8-bit images.
        table["image"] = [*rows["image"], *rows["image"]]
        table["target"] = [*rows["target"], *rows["target"]]
        table["person"] = table["image"].map(split_rows["person"])
        table["split"] = table["image"].map(split_rows["split"])
        table["model"] = trained.record.model
        table["method"] = [*rows["method"], *rows["method"]]
        return csv_text(table[SCORE_COLUMNS], header=False)

    files = [path for trained in models for path in trained.files]
    key = fingerprint([*files, faces, split, adversarial], size, settings.device)
    parts = batches(len(read_set(adversarial)), size)
    write_in_batches(out, csv_text(pd.DataFrame(columns=SCORE_COLUMNS)), parts, make, key=key, shard=shard)


if __name__ == "__main__":
    run(main)

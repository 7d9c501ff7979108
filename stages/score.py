"""Score one adversarial set: every image, as computed and as the 8-bit image that would be published."""

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

    model: the folder of the model on which the set was made, or the one that holds the folders of all models, which
    then all score it. split: of all images.
    """
    settings = read_settings()
    judges = TrainedModel.read_all(model)
    known = read_table(split).set_index("image")
    size = settings.attack.batch_size

    @functools.cache
    def network(judge: TrainedModel) -> nn.Module:
        return judge.network(configure_device(settings.device))

    def make(part: slice) -> bytes:
        # Opened anew for each batch, so that what was read does not stay in memory.
        rows = read_set(adversarial)[part]
        originals = read_images(faces, list(rows["image"]), judges[0].record.image_size)
        return b"".join(scores_by(judge, rows, originals) for judge in judges)

    def scores_by(judge: TrainedModel, rows: np.ndarray, originals: np.ndarray) -> bytes:
        table = score_images(network(judge), rows["pixels"], originals, judge.record.classes, size)
        # Twice each image: as floats, then as 8-bit images.
        table["image"] = [*rows["image"], *rows["image"]]
        table["target"] = [*rows["target"], *rows["target"]]
        table["person"] = table["image"].map(known["person"])
        table["split"] = table["image"].map(known["split"])
        table["model"] = judge.record.model
        table["method"] = [*rows["method"], *rows["method"]]
        return csv_text(table[SCORE_COLUMNS], header=False)

    files = [path for judge in judges for path in judge.files]
    key = fingerprint([*files, faces, split, adversarial], size, settings.device)
    parts = batches(len(read_set(adversarial)), size)
    write_in_batches(out, csv_text(pd.DataFrame(columns=SCORE_COLUMNS)), parts, make, key=key, shard=shard)


if __name__ == "__main__":
    run(main)

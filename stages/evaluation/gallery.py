"""Enrol the clean images with every recogniser: those of the enrolled identities, and others for the thresholds."""

from pathlib import Path

import numpy as np
import pandas as pd

from pfgvm.evaluation.recognition.detection import detect
from pfgvm.models.batching import batches
from stages.adversarial.adversarial_set import header
from stages.common.data_frames import read_table
from stages.common.face_archive import read_pixels
from stages.common.program import read_settings, run
from stages.evaluation.recogniser_settings import embedding_fields, open_recognisers, recogniser_files
from stages.networks.resumable import WHOLE, Shard, fingerprint, write_in_batches

BATCH = 16


def main(*, split: Path, faces: Path, calibration: Path, other_faces: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write the embeddings of the images of `split` (in `faces`) and `calibration` (in `other_faces`) to `out`.

    Rows of `image`, `person`, `group` (gallery or calibration), `found` (whether a detector finds a face) and one
    embedding per recogniser (Comparison.field). faces, other_faces: zips of the originals.
    """
    settings = read_settings()
    image_size = settings.data.image_size
    recognisers = open_recognisers(settings, image_size)
    groups = {"gallery": (read_table(split), faces), "calibration": (read_table(calibration), other_faces)}
    listed = pd.concat(
        [table.assign(group=group)[["image", "person", "group"]] for group, (table, _) in groups.items()]
    )
    row = np.dtype(
        [
            *[(name, f"U{max(map(len, listed[name]))}") for name in listed],
            ("found", bool),
            *embedding_fields(recognisers, image_size),
        ]
    )

    def make(part: slice) -> bytes:
        rows = listed.iloc[part]
        pixels = np.concatenate(
            [
                read_pixels(groups[group][1], list(group_rows["image"]), image_size)
                for group, group_rows in rows.groupby("group", sort=False)
            ]
        )
        results = np.empty(len(rows), row)
        for name in listed:
            results[name] = rows[name]
        results["found"] = [bool(detect(image.transpose(1, 2, 0))) for image in pixels]
        for recogniser in recognisers:
            results[recogniser.field] = recogniser.embed(pixels.astype(np.float32) / np.float32(255))
        return results.tobytes()

    key = fingerprint(
        [split, faces, calibration, other_faces, *recogniser_files(settings)],
        settings.evaluation.recognisers,
        image_size,
    )
    write_in_batches(out, header(row, len(listed)), batches(len(listed), BATCH), make, key=key, shard=shard)


if __name__ == "__main__":
    run(main)

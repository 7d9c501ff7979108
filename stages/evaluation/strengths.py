"""Evaluate one adversarial set, made stronger and weaker, by recognisers and metrics of visibility."""

from pathlib import Path

import numpy as np
import torch

from pfgvm.attacks.common.context import Context
from pfgvm.evaluation.quality.quality_metrics import QUALITY
from pfgvm.faces.images import to_8bit
from pfgvm.models.batching import batches
from pfgvm.settings import MODEL_NAMES
from stages.adversarial.adversarial_set import header, read_set
from stages.adversarial.method_modules import load_method
from stages.common.face_archive import read_images
from stages.common.program import read_settings, run
from stages.evaluation.images_of_curves import images_of_curves
from stages.evaluation.recogniser_settings import embedding_fields, open_recognisers, recogniser_files
from stages.networks.resumable import WHOLE, Shard, fingerprint, write_in_batches

METRICS = [metric for metric in QUALITY if metric.name in ("mssim_face", "flip_face")]


def main(*, method: str, faces: Path, adversarial: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write what is measured on the set `adversarial` of `method` at the strengths of evaluation.curves to `out`.

    Rows of `method`, `model`, `image`, `seen_by`, `strength`, the metrics of METRICS, and an embedding for each
    recogniser. At a strength s an attack's perturbation is s times as large; where no model was attacked, the method is
    run at that strength. On the images of the curves.
    """
    settings = read_settings()
    known, chosen = read_set(adversarial), load_method(method)
    names = np.flatnonzero(np.isin(known["image"], images_of_curves(known["image"].tolist(), settings)))
    strengths, image_size = settings.evaluation.curves.strengths, known["pixels"].shape[2:]
    attacked = known["seen_by"].any()
    parameters = {} if attacked else chosen.parameters(settings.attack, MODEL_NAMES[0])
    recognisers = open_recognisers(settings, image_size)
    row = np.dtype(
        [
            *[(name, known.dtype[name]) for name in ("method", "model", "image", "seen_by")],
            ("strength", np.float64),
            *[(metric.name, np.float64) for metric in METRICS],
            *embedding_fields(recognisers, image_size),
        ]
    )

    def at_strength(rows: np.ndarray, originals: np.ndarray, strength: float) -> np.ndarray:
        if attacked:
            return (originals + np.float32(strength) * (rows["pixels"] - originals)).clip(0, 1)
        context = Context(torch.from_numpy(originals), list(rows["image"]), {}, strength)
        return chosen.deidentify(context, **parameters).numpy()

    def make(part: slice) -> bytes:
        rows = read_set(adversarial)[names[part]]
        originals = read_images(faces, list(rows["image"]), image_size)
        made = np.zeros((len(rows), len(strengths)), row)
        for name in ("method", "model", "image", "seen_by"):
            made[name] = rows[name][:, None]
        made["strength"] = strengths
        pictures = np.stack([to_8bit(at_strength(rows, originals, strength)) for strength in strengths], axis=1)
        for metric in METRICS:
            made[metric.name] = [
                [metric.function(picture, clean) for picture in of_image]
                for of_image, clean in zip(pictures, to_8bit(originals), strict=True)
            ]
        values = pictures.reshape(-1, *pictures.shape[2:]).astype(np.float32) / np.float32(255)
        for recogniser in recognisers:
            made[recogniser.field] = recogniser.embed(values).reshape(*made.shape, -1)
        return made.tobytes()

    how = (strengths, parameters, settings.evaluation.recognisers, names.tolist())
    key = fingerprint([faces, adversarial, *recogniser_files(settings)], how)
    size = settings.attack.batch_size
    parts = batches(len(names), size)
    write_in_batches(out, header(row, len(names) * len(strengths)), parts, make, key=key, shard=shard)


if __name__ == "__main__":
    run(main)

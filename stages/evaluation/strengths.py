"""Evaluate one adversarial set at several strengths with recognisers and metrics of visibility."""

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
    """Write embeddings and metrics of the set `adversarial` of `method` at evaluation.curves.strengths to `out`.

    Rows of `method`, `model`, `image`, `seen_by`, `strength`, the metrics of METRICS and one embedding per recogniser,
    on the images of the curves. Strength s multiplies an attack's perturbation by s; a method without an attacked
    model is run at that strength. faces: the zip of the originals.
    """
    settings = read_settings()
    image_set, module = read_set(adversarial), load_method(method)
    indices = np.flatnonzero(np.isin(image_set["image"], images_of_curves(image_set["image"].tolist(), settings)))
    strengths, image_size = settings.evaluation.curves.strengths, image_set["pixels"].shape[2:]
    attacked = image_set["seen_by"].any()
    parameters = {} if attacked else module.parameters(settings.attack, MODEL_NAMES[0])
    recognisers = open_recognisers(settings, image_size)
    row = np.dtype(
        [
            *[(name, image_set.dtype[name]) for name in ("method", "model", "image", "seen_by")],
            ("strength", np.float64),
            *[(metric.name, np.float64) for metric in METRICS],
            *embedding_fields(recognisers, image_size),
        ]
    )

    def at_strength(rows: np.ndarray, originals: np.ndarray, strength: float) -> np.ndarray:
        if attacked:
            return (originals + np.float32(strength) * (rows["pixels"] - originals)).clip(0, 1)
        context = Context(torch.from_numpy(originals), list(rows["image"]), {}, strength)
        return module.deidentify(context, **parameters).numpy()

    def make(part: slice) -> bytes:
        rows = read_set(adversarial)[indices[part]]
        originals = read_images(faces, list(rows["image"]), image_size)
        results = np.zeros((len(rows), len(strengths)), row)
        for name in ("method", "model", "image", "seen_by"):
            results[name] = rows[name][:, None]
        results["strength"] = strengths
        images = np.stack([to_8bit(at_strength(rows, originals, strength)) for strength in strengths], axis=1)
        for metric in METRICS:
            results[metric.name] = [
                [metric.function(image, clean) for image in at_strengths]
                for at_strengths, clean in zip(images, to_8bit(originals), strict=True)
            ]
        values = images.reshape(-1, *images.shape[2:]).astype(np.float32) / np.float32(255)
        for recogniser in recognisers:
            results[recogniser.field] = recogniser.embed(values).reshape(*results.shape, -1)
        return results.tobytes()

    how = (strengths, parameters, settings.evaluation.recognisers, indices.tolist())
    key = fingerprint([faces, adversarial, *recogniser_files(settings)], how)
    size = settings.attack.batch_size
    parts = batches(len(indices), size)
    write_in_batches(out, header(row, len(indices) * len(strengths)), parts, make, key=key, shard=shard)


if __name__ == "__main__":
    run(main)

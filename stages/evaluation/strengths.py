"""Evaluate one adversarial set at several strengths with recognisers and metrics of visibility."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pfgvm.attacks.common.context import Context
from pfgvm.evaluation.quality.quality_metrics import QUALITY, VISIBILITY, ImagePair
from pfgvm.faces.images import to_8bit
from pfgvm.models.batching import batches, padded
from pfgvm.settings import MODEL_NAMES
from stages.adversarial.adversarial_set import header, read_set
from stages.adversarial.descriptor_settings import descriptor_weights, open_descriptor
from stages.adversarial.method_modules import load_method
from stages.common.face_archive import read_images
from stages.common.program import read_settings, run
from stages.evaluation.images_of_curves import images_of_curves
from stages.evaluation.recogniser_settings import embedding_fields, open_recognisers, recogniser_files
from stages.networks.computing import configure_device
from stages.networks.resumable import WHOLE, Shard, fingerprint, write_in_batches

_MEASURES = ("mssim_face", "flip_face", "flip_close", "flip_displaced", "displacement")
METRICS = [metric for metric in (*QUALITY, *VISIBILITY) if metric.name in _MEASURES]


def main(*, method: str, faces: Path, adversarial: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write embeddings and metrics of the set `adversarial` of `method` at evaluation.curves.strengths to `out`.

    Rows of `method`, `model`, `image`, `seen_by`, `strength`, the metrics of METRICS and one embedding per recogniser,
    on the images of the curves. Strength s multiplies an attack's perturbation by s. A method that displaces pixels, or
    has no attacked model, is run at that strength: part of a displacement plus part of an image has double edges.
    faces: the zip of the originals.
    """
    settings = read_settings()
    image_set, module = read_set(adversarial), load_method(method)
    indices = np.flatnonzero(np.isin(image_set["image"], images_of_curves(image_set["image"].tolist(), settings)))
    strengths, image_size = settings.evaluation.curves.strengths, image_set["pixels"].shape[2:]
    size, displaces = settings.attack.batch_size, "displacement" in (image_set.dtype.names or ())
    runs = displaces or not image_set["seen_by"].any()
    parameters = module.parameters(settings.attack, MODEL_NAMES[0]) if runs else {}
    recognisers = open_recognisers(settings, image_size)
    row = np.dtype(
        [
            *[(name, image_set.dtype[name]) for name in ("method", "model", "image", "seen_by")],
            ("strength", np.float64),
            *[(metric.name, np.float64) for metric in METRICS],
            *embedding_fields(recognisers, image_size),
        ]
    )

    @functools.cache
    def descriptor(name: str) -> nn.Module:
        return open_descriptor(name, settings, image_size).to(configure_device(settings.device))

    def descriptors(names: Sequence[str]) -> list[nn.Module]:
        return [descriptor(name) for name in names]

    def at_strength(rows: np.ndarray, originals: np.ndarray, strength: float) -> list[ImagePair]:
        displacements: list[np.ndarray | None] = [None] * len(rows)
        if strength == 1:
            images = rows["pixels"]
            if displaces:
                displacements = list(rows["displacement"])
        elif runs:
            x = padded(torch.from_numpy(originals), size).to(configure_device(settings.device))
            names = [*rows["image"], *rows["image"][-1:].repeat(size - len(rows))]
            context = Context(x, names, {"descriptors": lambda: descriptors}, strength)
            images = module.deidentify(context, **parameters)[: len(rows)].cpu().numpy()
            if context.shape_and_light:
                displacements = list(context.shape_and_light.displacement[: len(rows)].cpu().numpy())
        else:
            images = (originals + np.float32(strength) * (rows["pixels"] - originals)).clip(0, 1)
        return [ImagePair(*values) for values in zip(to_8bit(images), to_8bit(originals), displacements, strict=True)]

    def make(part: slice) -> bytes:
        rows = read_set(adversarial)[indices[part]]
        originals = read_images(faces, list(rows["image"]), image_size)
        results = np.zeros((len(rows), len(strengths)), row)
        for name in ("method", "model", "image", "seen_by"):
            results[name] = rows[name][:, None]
        results["strength"] = strengths
        for of_strength, strength in zip(results.T, strengths, strict=True):
            pairs = at_strength(rows, originals, strength)
            values = np.stack([pair.image for pair in pairs]).astype(np.float32) / np.float32(255)
            for metric in METRICS:
                of_strength[metric.name] = [metric.function(pair) for pair in pairs]
            for recogniser in recognisers:
                of_strength[recogniser.field] = recogniser.embed(values)
        return results.tobytes()

    how = (strengths, parameters, settings.evaluation.recognisers, indices.tolist(), size, settings.device)
    weights = [descriptor_weights(name, settings) for name in parameters.get("descriptors", [])]
    key = fingerprint([faces, adversarial, *weights, *recogniser_files(settings)], how)
    parts = batches(len(indices), size)
    write_in_batches(out, header(row, len(indices) * len(strengths)), parts, make, key=key, shard=shard)


if __name__ == "__main__":
    run(main)

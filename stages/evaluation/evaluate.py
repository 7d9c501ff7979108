"""Evaluate one adversarial set with models, recognisers, a face detector and metrics of image quality."""

import functools
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pfgvm.attacks.methods.random_equal_l2 import random_control
from pfgvm.evaluation.detectability import FEATURES, features
from pfgvm.evaluation.metrics import mssim
from pfgvm.evaluation.quality.lpips import lpips_metric
from pfgvm.evaluation.quality.quality_metrics import QUALITY, VISIBILITY, ImagePair
from pfgvm.evaluation.recognition.detection import detect
from pfgvm.evaluation.scoring import predicted_persons
from pfgvm.evaluation.transforms import TRANSFORMS
from pfgvm.faces.images import to_8bit
from pfgvm.models.batching import batches
from stages.adversarial.adversarial_set import header, read_set
from stages.common.face_archive import read_images
from stages.common.program import read_settings, run
from stages.evaluation.image_forms import CONTROL, PUBLISHED, VIEWS
from stages.evaluation.recogniser_settings import embedding_fields, open_recognisers, recogniser_files
from stages.networks.computing import configure_device
from stages.networks.resumable import WHOLE, Shard, fingerprint, write_in_batches
from stages.networks.trained_model import TrainedModel


def main(*, models: Path, faces: Path, adversarial: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write predictions, embeddings and metrics of the images of the set `adversarial` to `out`.

    One row per image and view (VIEWS): `method`, `model`, `image`, `target` and `seen_by` as in the set; the `view`;
    each model's prediction (`predicted_A`, …); `mssim` to the clean image in the same view; `found`, whether a
    detector finds a face; the metrics of QUALITY and VISIBILITY, and LPIPS; the `features` that separate protected
    from clean images; and one embedding per recogniser (Comparison.field). Detector, metrics, features and the models
    that were not attacked take the published image only. Without an attacked model, all models take every view.

    models: the parent folder of all models. faces: the zip of the originals.
    """
    image_set = read_set(adversarial)
    settings = read_settings()
    size = settings.attack.batch_size
    trained = {model.record.model: model for model in TrainedModel.read_all(models)}
    record = next(iter(trained.values())).record
    recognisers = open_recognisers(settings, record.image_size)
    of_lpips = settings.evaluation.lpips
    weights = [Path(settings.evaluation.root, of_lpips)] if of_lpips else []
    metrics = [*QUALITY, *VISIBILITY, *map(lpips_metric, weights)]
    longest = max(map(len, record.classes))
    row = np.dtype(
        [
            *[(name, image_set.dtype[name]) for name in ("method", "model", "image", "seen_by")],
            ("target", f"U{longest}"),
            ("view", f"U{max(map(len, VIEWS))}"),
            *[(f"predicted_{name}", f"U{longest}") for name in trained],
            ("mssim", np.float64),
            ("found", bool),
            *[(metric.name, np.float64) for metric in metrics],
            ("features", np.float64, FEATURES),
            *embedding_fields(recognisers, record.image_size),
        ]
    )

    @functools.cache
    def network(name: str) -> nn.Module:
        return trained[name].network(configure_device(settings.device))

    def make(part: slice) -> bytes:
        rows = read_set(adversarial)[part]
        originals = read_images(faces, list(rows["image"]), record.image_size)
        results = np.zeros((len(rows), len(VIEWS)), row)
        for name in ("method", "model", "image", "seen_by", "target"):
            results[name] = rows[name][:, None]
        results["view"] = VIEWS
        viewed, clean = _in_all_views(rows, originals, settings.attack.seed)
        values = _floats(viewed)
        results["mssim"] = mssim(torch.from_numpy(values), torch.from_numpy(_floats(clean))).reshape(results.shape)
        # Without an attacked model, all models predict in every view.
        predicting = set(rows["model"].tolist()) if rows["model"].any() else trained.keys()
        for name in predicting:
            predicted = predicted_persons(network(name), values, trained[name].record.classes, size)
            results[f"predicted_{name}"] = np.reshape(predicted, results.shape)
        for recogniser in recognisers:
            results[recogniser.field] = recogniser.embed(values).reshape(*results.shape, -1)
        published = results[:, VIEWS.index(PUBLISHED)]
        images, originals = to_8bit(rows["pixels"]), to_8bit(originals)
        for name in trained.keys() - predicting:
            predicted = predicted_persons(network(name), _floats(images), trained[name].record.classes, size)
            published[f"predicted_{name}"] = predicted
        published["found"] = [bool(detect(image.transpose(1, 2, 0))) for image in images]
        displacements = rows["displacement"] if "displacement" in (rows.dtype.names or ()) else [None] * len(rows)
        pairs = [ImagePair(*values) for values in zip(images, originals, displacements, strict=True)]
        for metric in metrics:
            published[metric.name] = [metric.function(pair) for pair in pairs]
        published["features"] = [features(image) for image in images]
        return results.tobytes()

    files = [path for model in trained.values() for path in model.files]
    how = (size, settings.attack.seed, settings.device, settings.evaluation.recognisers)
    key = fingerprint([*files, faces, adversarial, *recogniser_files(settings), *weights], how)
    count = len(read_set(adversarial))
    write_in_batches(out, header(row, count * len(VIEWS)), batches(count, size), make, key=key, shard=shard)


def _in_all_views(rows: np.ndarray, originals: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Transform the images of `rows` and the clean ones, each to all of VIEWS: 8-bit, (n * views, 3, H, W)."""
    published, clean = to_8bit(rows["pixels"]), to_8bit(originals)
    protected = torch.from_numpy(np.array(rows["pixels"]))
    noisy = to_8bit(random_control(torch.from_numpy(originals), protected, list(rows["image"]), seed=seed).numpy())
    viewed = [
        noise if view == CONTROL else TRANSFORMS[view](image)
        for image, noise in zip(published, noisy, strict=True)
        for view in VIEWS
    ]
    clean_views = [image if view == CONTROL else TRANSFORMS[view](image) for image in clean for view in VIEWS]
    return np.stack(viewed), np.stack(clean_views)


def _floats(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / np.float32(255)


if __name__ == "__main__":
    run(main)

"""Evaluate one adversarial set with models, recognisers, a face detector and metrics of image quality."""

import functools
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pfgvm.attacks.common.smooth_fields import displaced
from pfgvm.attacks.methods.random_equal_l2 import random_control
from pfgvm.evaluation.detectability import FEATURES, features
from pfgvm.evaluation.metrics import mssim
from pfgvm.evaluation.quality.lpips import lpips_metric
from pfgvm.evaluation.quality.quality_metrics import QUALITY, VISIBILITY, ImagePair
from pfgvm.evaluation.recognition.detection import detect
from pfgvm.evaluation.scoring import predicted_persons
from pfgvm.evaluation.transforms import TRANSFORMS
from pfgvm.faces.geometry import CELEBA_SIZE
from pfgvm.faces.images import to_8bit
from pfgvm.models.batching import batches
from stages.adversarial.adversarial_set import header, read_set
from stages.common.face_archive import read_images
from stages.common.program import read_settings, run
from stages.evaluation.image_forms import CONTROL, PUBLISHED, UNWARPED, VIEWS
from stages.evaluation.recogniser_settings import embedding_fields, open_recognisers, recogniser_files
from stages.networks.computing import configure_device
from stages.networks.resumable import WHOLE, Shard, fingerprint, write_in_batches
from stages.networks.trained_model import TrainedModel

# Mean distance of five landmarks, in pixels of a 178 x 218 image, up to which a face is aligned as before.
LANDMARK_SHIFT = 4.0


def main(*, models: Path, faces: Path, adversarial: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write predictions, embeddings and metrics of the images of the set `adversarial` to `out`.

    One row per image and view (VIEWS; UNWARPED if the set displaces): `method`, `model`, `image`, `target` and
    `seen_by` as in the set; the `view`; each model's prediction (`predicted_A`, …); `mssim` to the clean image in the
    same view; `found`, whether a detector finds a face; `aligned`, whether its landmarks are on average within
    LANDMARK_SHIFT of those of the clean image; the metrics of QUALITY and VISIBILITY, and LPIPS; the `features` that
    separate protected from clean images; and one embedding per recogniser (Comparison.field). Detector, metrics,
    features and the models that were not attacked take the published image only. Without an attacked model, all models
    take every view.

    models: the parent folder of all models. faces: the zip of the originals.
    """
    image_set = read_set(adversarial)
    displaces = "displacement" in (image_set.dtype.names or ())
    views = [*VIEWS, UNWARPED] if displaces else VIEWS
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
            ("view", f"U{max(map(len, views))}"),
            *[(f"predicted_{name}", f"U{longest}") for name in trained],
            ("mssim", np.float64),
            ("found", bool),
            ("aligned", bool),
            *[(metric.name, np.float64) for metric in metrics],
            ("features", np.float64, FEATURES),
            *embedding_fields(recognisers, record.image_size),
        ]
    )

    @functools.cache
    def network(name: str) -> nn.Module:
        return trained[name].network(configure_device(settings.device))

    @functools.cache
    def total_displacement() -> np.ndarray:
        return read_set(adversarial)["displacement"].sum(axis=0)

    def make(part: slice) -> bytes:
        rows = read_set(adversarial)[part]
        originals = read_images(faces, list(rows["image"]), record.image_size)
        results = np.zeros((len(rows), len(views)), row)
        for name in ("method", "model", "image", "seen_by", "target"):
            results[name] = rows[name][:, None]
        results["view"] = views
        viewed, clean = _in_all_views(rows, originals, settings.attack.seed)
        if displaces:
            whole = read_set(adversarial)["displacement"]
            others = (total_displacement() - rows["displacement"]) / max(1, len(whole) - 1)
            unwarped = displaced(torch.from_numpy(_floats(to_8bit(rows["pixels"]))), torch.from_numpy(-others))
            viewed = np.concatenate([viewed, to_8bit(unwarped.numpy())[:, None]], axis=1)
            clean = np.concatenate([clean, to_8bit(originals)[:, None]], axis=1)
        viewed, clean = (images.reshape(-1, *images.shape[2:]) for images in (viewed, clean))
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
        published["found"], published["aligned"] = zip(*map(_detected, images, originals), strict=True)
        displacements = rows["displacement"] if displaces else [None] * len(rows)
        pairs = [ImagePair(*values) for values in zip(images, originals, displacements, strict=True)]
        for metric in metrics:
            published[metric.name] = [metric.function(pair) for pair in pairs]
        published["features"] = [features(image) for image in images]
        return results.tobytes()

    files = [path for model in trained.values() for path in model.files]
    how = (size, settings.attack.seed, settings.device, settings.evaluation.recognisers)
    key = fingerprint([*files, faces, adversarial, *recogniser_files(settings), *weights], how)
    count = len(read_set(adversarial))
    write_in_batches(out, header(row, count * len(views)), batches(count, size), make, key=key, shard=shard)


def _in_all_views(rows: np.ndarray, originals: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Transform the images of `rows` and the clean ones, each to all of VIEWS: 8-bit, (n, views, 3, H, W)."""
    published, clean = to_8bit(rows["pixels"]), to_8bit(originals)
    protected = torch.from_numpy(np.array(rows["pixels"]))
    noisy = to_8bit(random_control(torch.from_numpy(originals), protected, list(rows["image"]), seed=seed).numpy())
    viewed = [
        [noise if view == CONTROL else TRANSFORMS[view](image) for view in VIEWS]
        for image, noise in zip(published, noisy, strict=True)
    ]
    clean_views = [[image if view == CONTROL else TRANSFORMS[view](image) for view in VIEWS] for image in clean]
    return np.array(viewed), np.array(clean_views)


def _detected(image: np.ndarray, original: np.ndarray) -> tuple[bool, bool]:
    """Whether a face is detected in an 8-bit image, (3, H, W), and whether its landmarks are those of the original."""
    faces, clean_faces = (detect(pixels.transpose(1, 2, 0)) for pixels in (image, original))
    if not (faces and clean_faces):
        return bool(faces), False
    # The first has the highest score.
    shift = np.linalg.norm(faces[0].points - clean_faces[0].points, axis=1).mean() * CELEBA_SIZE[0] / image.shape[1]
    return True, bool(shift <= LANDMARK_SHIFT)


def _floats(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / np.float32(255)


if __name__ == "__main__":
    run(main)

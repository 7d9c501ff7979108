"""Show one adversarial set to all who may look at it: models, recognisers, a face detector, metrics of quality."""

import functools
from pathlib import Path

import numpy as np
import torch
from torch import nn

from pfgvm.attacks.methods.random_equal_l2 import random_control
from pfgvm.evaluation.detectability import FEATURES, features
from pfgvm.evaluation.metrics import mssim
from pfgvm.evaluation.quality.lpips import lpips_metric
from pfgvm.evaluation.quality.metrics import QUALITY
from pfgvm.evaluation.recognition.detection import detect
from pfgvm.evaluation.scoring import predicted_persons
from pfgvm.evaluation.transforms import TRANSFORMS
from pfgvm.faces.images import to_8bit
from pfgvm.models.batching import batches
from stages.common.adversarial_set import header, read_set
from stages.common.computing import configure_device
from stages.common.face_archive import read_images
from stages.common.program import read_settings, run
from stages.common.recogniser_settings import embedding_fields, open_recognisers, recogniser_files
from stages.common.resumable import WHOLE, Shard, fingerprint, write_in_batches
from stages.common.trained_model import RECORD, TrainedModel
from stages.common.views import BY_RECOGNISERS, CONTROL, PUBLISHED, views


def main(*, model: Path, faces: Path, adversarial: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write what is seen on the images of the set `adversarial`, made on the model in `model`, to `out`.

    One row an image and view (stages.common.views): `method`, `image`, `target`, `seen_by` (the recognisers that the
    attack had before it), `view`, whom each model sees (`predicted_A`, …), `mssim` to the clean image in the same view,
    whether a detector has `found` a face, and, as evaluation.parts asks for them, an embedding for each recogniser
    (Comparison.field), the metrics of QUALITY and LPIPS, and the `features` by which protected pictures are told from
    clean ones. Models other than the image's own, detector, metrics and features see the published picture alone;
    images that no model had a part in are shown to all models in every view.
    """
    known = read_set(adversarial)
    settings = read_settings()
    parts, size = settings.evaluation.parts, settings.attack.batch_size
    models = {path.parent.name: TrainedModel.read(path.parent) for path in sorted(model.parent.glob(f"*/{RECORD}"))}
    record = models[model.name].record
    recognisers = open_recognisers(settings, record.image_size) if BY_RECOGNISERS.intersection(parts) else []
    forms = views(parts)
    of_lpips = settings.evaluation.lpips
    weights = [Path(settings.evaluation.root, of_lpips)] if of_lpips else []
    metrics = [*QUALITY, *map(lpips_metric, weights)] if "quality" in parts else []
    longest = max(map(len, record.classes))
    row = np.dtype(
        [
            *[(name, known.dtype[name]) for name in ("method", "model", "image", "seen_by")],
            ("target", f"U{longest}"),
            ("view", f"U{max(map(len, forms))}"),
            *[(f"predicted_{name}", f"U{longest}") for name in models],
            ("mssim", np.float64),
            ("found", bool),
            *[(metric.name, np.float64) for metric in metrics],
            *([("features", np.float64, FEATURES)] if "adaptive" in parts else []),
            *embedding_fields(recognisers, record.image_size),
        ]
    )

    @functools.cache
    def network(name: str) -> nn.Module:
        return models[name].network(configure_device(settings.device))

    def make(part: slice) -> bytes:
        rows = read_set(adversarial)[part]
        originals = read_images(faces, list(rows["image"]), record.image_size)
        made = np.zeros((len(rows), len(forms)), row)
        for name in ("method", "model", "image", "seen_by", "target"):
            made[name] = rows[name][:, None]
        made["view"] = forms
        seen, clean = _in_all_views(rows, originals, forms, settings.attack.seed)
        values = _floats(seen)
        made["mssim"] = mssim(torch.from_numpy(values), torch.from_numpy(_floats(clean))).reshape(made.shape)
        # What was made on no model is nobody's own.
        judges = {model.name} if rows["model"].any() else models.keys()
        for name in judges:
            predicted = predicted_persons(network(name), values, models[name].record.classes, size)
            made[f"predicted_{name}"] = np.reshape(predicted, made.shape)
        for recogniser in recognisers:
            made[recogniser.field] = recogniser.embed(values).reshape(*made.shape, -1)
        published = made[:, forms.index(PUBLISHED)]
        pictures, originals = to_8bit(rows["pixels"]), to_8bit(originals)
        for name in models.keys() - judges:
            predicted = predicted_persons(network(name), _floats(pictures), models[name].record.classes, size)
            published[f"predicted_{name}"] = predicted
        published["found"] = [bool(detect(picture.transpose(1, 2, 0))) for picture in pictures]
        for metric in metrics:
            published[metric.name] = [metric.function(*pair) for pair in zip(pictures, originals, strict=True)]
        if "adaptive" in parts:
            published["features"] = [features(picture) for picture in pictures]
        return made.tobytes()

    files = [path for trained in models.values() for path in trained.files]
    how = (parts, size, settings.attack.seed, settings.device, settings.evaluation.recognisers)
    key = fingerprint([*files, faces, adversarial, *recogniser_files(settings), *weights], how)
    count = len(read_set(adversarial))
    write_in_batches(out, header(row, count * len(forms)), batches(count, size), make, key=key, shard=shard)


def _in_all_views(
    rows: np.ndarray, originals: np.ndarray, forms: list[str], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The pictures of `rows` and the clean ones, 8-bit, each in all its views in turn: (n * views, 3, H, W)."""
    published, clean = to_8bit(rows["pixels"]), to_8bit(originals)
    noisy = published
    if CONTROL in forms:
        protected = torch.from_numpy(np.array(rows["pixels"]))
        noisy = to_8bit(random_control(torch.from_numpy(originals), protected, list(rows["image"]), seed=seed).numpy())
    seen = [
        noise if view == CONTROL else TRANSFORMS[view](picture)
        for picture, noise in zip(published, noisy, strict=True)
        for view in forms
    ]
    unprotected = [one if view == CONTROL else TRANSFORMS[view](one) for one in clean for view in forms]
    return np.stack(seen), np.stack(unprotected)


def _floats(pictures: np.ndarray) -> np.ndarray:
    return pictures.astype(np.float32) / np.float32(255)


if __name__ == "__main__":
    run(main)

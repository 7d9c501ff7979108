"""Measure what a method costs and reaches at other values of its parameter, on one model."""

import functools
from pathlib import Path

import pandas as pd
from torch import nn

from pfgvm.attacks.common.method import Batch
from pfgvm.evaluation.findings.trade_off import CURVE_SCORES
from pfgvm.evaluation.scoring import score_images
from pfgvm.models import fused_for_attack
from pfgvm.models.batching import batches
from stages.common.attack_batches import attacked_images, read_batch
from stages.common.computing import configure_device
from stages.common.curve_images import curve_images
from stages.common.data_frames import csv_text
from stages.common.face_archive import read_images
from stages.common.methods import load_method
from stages.common.program import read_settings, run
from stages.common.resumable import WHOLE, Shard, fingerprint, write_in_batches
from stages.common.trained_model import TrainedModel


def main(*, method: str, model: Path, faces: Path, split: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write the scores of `method` on the model in `model`, at each further value of evaluation.curves, to `out`.

    On evaluation.curves.images of the attacked images, drawn once for all methods; one row an image and value.
    """
    settings = read_settings()
    attack, curves = settings.attack, settings.evaluation.curves
    chosen, trained = load_method(method), TrainedModel.read(model)
    record = trained.record
    rows = attacked_images(split, attack, chosen)
    rows = rows[rows["image"].isin(curve_images(rows["image"], settings))].reset_index(drop=True)
    parameters = chosen.parameters(attack, record.model)
    [(name, values)] = [
        (name, values)
        for name, values in (("penalty", curves.penalty), ("epsilon", curves.epsilon))
        if name in parameters
    ]
    others = [value for value in values if value != parameters[name]]
    size = attack.batch_size
    todo = [(value, start) for start in range(0, len(rows), size) for value in others]

    @functools.cache
    def networks() -> tuple[nn.Module, nn.Module]:
        device = configure_device(settings.device)
        # Scored on the model itself, as the sets are.
        return fused_for_attack(trained.network(device)), trained.network(device)

    # One in memory at a time.
    @functools.lru_cache(maxsize=1)
    def batch(start: int) -> Batch:
        return read_batch(networks()[0], trained, rows[start : start + size], faces, attack)

    def make(part: slice) -> bytes:
        [(value, start)] = todo[part]
        some = rows[start : start + size]
        made = chosen.deidentify(batch(start), **parameters | {name: value})[: len(some)]
        originals = read_images(faces, list(some["image"]), record.image_size)
        table = score_images(networks()[1], made.cpu().numpy(), originals, record.classes, size)
        table = table[table["pixels"] == "float"].assign(
            image=list(some["image"]),
            person=list(some["person"]),
            target=[record.classes[target] for target in batch(start).targets[: len(some)].tolist()],
            model=record.model,
            method=chosen.label,
            parameter="lambda" if name == "penalty" else name,
            value=value,
        )
        return csv_text(table[CURVE_SCORES], header=False)

    how = (parameters, name, others, attack.target, attack.seed, size, settings.device)
    key = fingerprint([*trained.files, faces], rows.to_csv(), *how)
    write_in_batches(
        out, csv_text(pd.DataFrame(columns=CURVE_SCORES)), batches(len(todo), 1), make, key=key, shard=shard
    )


if __name__ == "__main__":
    run(main)

"""Measure what a method costs and reaches at other values of λ or ε, on one model."""

import functools
from pathlib import Path

import pandas as pd

from pfgvm.attacks.common.context import Context
from pfgvm.evaluation.findings.trade_off import CURVE_SCORES
from pfgvm.evaluation.scoring import score_images
from pfgvm.models.batching import batches
from pfgvm.settings import Curves
from stages.adversarial.attacked_images import attacked_images
from stages.adversarial.making import Workshop
from stages.adversarial.method_modules import load_method
from stages.common.data_frames import csv_text, read_table
from stages.common.face_archive import read_images
from stages.common.program import read_settings, run
from stages.evaluation.images_of_curves import images_of_curves
from stages.networks.resumable import WHOLE, Shard, fingerprint, write_in_batches
from stages.networks.trained_model import TrainedModel


def main(*, method: str, model: Path, faces: Path, split: Path, scores: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write the scores of `method` on the model in `model`, at each value of evaluation.curves, to `out`.

    On evaluation.curves.images of the attacked images, drawn once for all methods; one row an image and value, in
    CURVE_SCORES. scores: those at the value of the settings, which are taken over.
    """
    settings = read_settings()
    attack, curves = settings.attack, settings.evaluation.curves
    chosen, trained = load_method(method), TrainedModel.read(model)
    record = trained.record
    rows = attacked_images(split, attack)
    rows = rows[rows["image"].isin(images_of_curves(list(rows["image"]), settings))].reset_index(drop=True)
    parameters = chosen.parameters(attack, record.model)
    [varied] = parameters.keys() & Curves.model_fields.keys()
    name = Curves.model_fields[varied].alias or varied
    others = [value for value in getattr(curves, varied) if value != parameters[varied]]
    size = attack.batch_size
    todo = [(value, start) for start in range(0, len(rows), size) for value in others]
    workshop = Workshop(trained, faces, rows, settings)

    # One in memory at a time.
    @functools.lru_cache(maxsize=1)
    def context(start: int) -> Context:
        return workshop.context(rows[start : start + size])

    def make(part: slice) -> bytes:
        [(value, start)] = todo[part]
        some = rows[start : start + size]
        made = chosen.deidentify(context(start), **parameters | {varied: value})[: len(some)]
        originals = read_images(faces, list(some["image"]), record.image_size)
        table = score_images(workshop.network, made.cpu().numpy(), originals, record.classes, size)
        targets = context(start).targets[: len(some)].tolist()
        table = table[table["pixels"] == "float"].assign(
            image=list(some["image"]),
            person=list(some["person"]),
            target=[record.classes[target] for target in targets],
            model=record.model,
            method=method,
            parameter=name,
            value=value,
            of_settings=False,
        )
        return csv_text(table[CURVE_SCORES], header=False)

    # As computed.
    done = read_table(scores).query("pixels == 'float'")
    done = done[done["image"].isin(rows["image"])]
    done = done.assign(parameter=name, value=parameters[varied], of_settings=True)
    how = (parameters, varied, others, attack.target, attack.seed, size, settings.device)
    key = fingerprint([*trained.files, faces, scores], rows.to_csv(), *how)
    write_in_batches(
        out,
        csv_text(pd.DataFrame(columns=CURVE_SCORES)) + csv_text(done[CURVE_SCORES], header=False),
        batches(len(todo), 1),
        make,
        key=key,
        shard=shard,
    )


if __name__ == "__main__":
    run(main)

"""Score one method on one model at other values of λ or ε."""

import functools
from pathlib import Path

import pandas as pd

from pfgvm.attacks.common.context import Context
from pfgvm.evaluation.findings.trade_off import CURVE_SCORES
from pfgvm.evaluation.scoring import score_images
from pfgvm.models.batching import batches
from pfgvm.settings import Curves
from stages.adversarial.attacked_images import attacked_images
from stages.adversarial.making import MethodInputs
from stages.adversarial.method_modules import load_method
from stages.common.data_frames import csv_text, read_table
from stages.common.face_archive import read_images
from stages.common.program import read_settings, run
from stages.evaluation.images_of_curves import images_of_curves
from stages.networks.resumable import WHOLE, Shard, fingerprint, write_in_batches
from stages.networks.trained_model import TrainedModel


def main(*, method: str, model: Path, faces: Path, split: Path, scores: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write the scores of `method` on the model in `model`, at each value of evaluation.curves, to `out`.

    One row per image and value, in CURVE_SCORES, on evaluation.curves.images of the attacked images, drawn once for
    all methods. scores: those at the value in the settings, copied to `out`. faces: the zip of the originals.
    """
    settings = read_settings()
    attack, curves = settings.attack, settings.evaluation.curves
    module, trained = load_method(method), TrainedModel.read(model)
    record = trained.record
    rows = attacked_images(split, attack)
    rows = rows[rows["image"].isin(images_of_curves(list(rows["image"]), settings))].reset_index(drop=True)
    parameters = module.parameters(attack, record.model)
    [varied] = parameters.keys() & Curves.model_fields.keys()
    name = Curves.model_fields[varied].alias or varied
    others = [value for value in getattr(curves, varied) if value != parameters[varied]]
    size = attack.batch_size
    todo = [(value, start) for start in range(0, len(rows), size) for value in others]
    inputs = MethodInputs(trained, faces, rows, settings)

    # One batch in memory at a time.
    @functools.lru_cache(maxsize=1)
    def context(start: int) -> Context:
        return inputs.context(rows[start : start + size])

    def make(part: slice) -> bytes:
        [(value, start)] = todo[part]
        batch = rows[start : start + size]
        adversarial = module.deidentify(context(start), **parameters | {varied: value})[: len(batch)]
        originals = read_images(faces, list(batch["image"]), record.image_size)
        table = score_images(inputs.network, adversarial.cpu().numpy(), originals, record.classes, size)
        targets = context(start).targets[: len(batch)].tolist()
        table = table[table["pixels"] == "float"].assign(
            image=list(batch["image"]),
            person=list(batch["person"]),
            target=[record.classes[target] for target in targets],
            model=record.model,
            method=method,
            parameter=name,
            value=value,
            of_settings=False,
        )
        return csv_text(table[CURVE_SCORES], header=False)

    at_setting = read_table(scores).query("pixels == 'float'")
    at_setting = at_setting[at_setting["image"].isin(rows["image"])]
    at_setting = at_setting.assign(parameter=name, value=parameters[varied], of_settings=True)
    how = (parameters, varied, others, attack.target, attack.seed, size, settings.device)
    key = fingerprint([*trained.files, faces, scores], rows.to_csv(), *how)
    write_in_batches(
        out,
        csv_text(pd.DataFrame(columns=CURVE_SCORES)) + csv_text(at_setting[CURVE_SCORES], header=False),
        batches(len(todo), 1),
        make,
        key=key,
        shard=shard,
    )


if __name__ == "__main__":
    run(main)

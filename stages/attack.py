"""De-identify the attacked images by one method on one model."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pfgvm.attacks.common.method import Gallery
from pfgvm.models import fused_for_attack
from pfgvm.models.batching import batches
from stages.common.adversarial_set import header, read_set, row_type
from stages.common.attack_batches import attacked_images, read_batch
from stages.common.computing import configure_device
from stages.common.descriptor_settings import descriptor_weights, open_descriptor
from stages.common.face_archive import read_images
from stages.common.methods import load_method
from stages.common.program import read_settings, run
from stages.common.resumable import WHOLE, Shard, fingerprint, write_in_batches
from stages.common.trained_model import TrainedModel


def main(*, method: str, model: Path, faces: Path, split: Path, out: Path, shard: Shard = WHOLE) -> None:
    """Write the images of `split`, de-identified by `method` on the model in the folder `model`, to `out`.

    A method that follows another reads that one's set beside `out`.
    """
    settings = read_settings()
    attack = settings.attack
    chosen = load_method(method)
    trained = TrainedModel.read(model)
    rows = attacked_images(split, attack, chosen)
    descriptors = chosen.descriptors(attack) if chosen.descriptors else ()
    # What follows an attack, as its control does, is held against that one's aim.
    aimed = chosen.uses_model or chosen.follows is not None
    seen_by = ",".join([*descriptors, *([trained.record.descriptor] if chosen.uses_model else [])])
    row = row_type(chosen.label, seen_by, rows["image"], trained.record.classes, trained.record.image_size)
    parameters = chosen.parameters(attack, trained.record.model)
    followed = [out.with_name(f"{chosen.follows}.npy")] if chosen.follows else []

    @functools.cache
    def network() -> nn.Module:
        return fused_for_attack(trained.network(configure_device(settings.device)))

    @functools.cache
    def gallery() -> Gallery:
        device = next(network().parameters()).device

        def read(names: Sequence[str]) -> Tensor:
            return torch.from_numpy(read_images(faces, names, trained.record.image_size)).to(device)

        return Gallery(list(rows["image"]), list(rows["person"]), read)

    @functools.cache
    def networks() -> list[nn.Module]:
        device = next(network().parameters()).device
        return [open_descriptor(name, settings, trained.record.image_size).to(device) for name in descriptors]

    def make(part: slice) -> bytes:
        batch = read_batch(network(), trained, rows[part], faces, attack)
        for path in followed:
            batch = dataclasses.replace(batch, followed=_of_same_images(path, batch.names).to(batch.images.device))
        if chosen.needs_gallery:
            batch = dataclasses.replace(batch, gallery=gallery())
        if descriptors:
            batch = dataclasses.replace(batch, descriptors=networks())
        adversarial = chosen.deidentify(batch, **parameters)
        made = np.empty(part.stop - part.start, row)
        made["method"], made["seen_by"] = chosen.label, seen_by
        made["model"] = trained.record.model if aimed else ""
        made["image"] = batch.names[: len(made)]
        targets = [trained.record.classes[target] for target in batch.targets[: len(made)].tolist()]
        made["target"] = targets if aimed else ""
        made["pixels"] = adversarial[: len(made)].cpu().numpy()
        return made.tobytes()

    values = (parameters, attack.target, attack.seed, attack.batch_size, settings.device)
    weights = [descriptor_weights(name, settings) for name in descriptors]
    key = fingerprint([*trained.files, faces, *followed, *weights], rows.to_csv(), descriptors, *values)
    parts = batches(len(rows), attack.batch_size)
    write_in_batches(out, header(row, len(rows)), parts, make, key=key, shard=shard)


def _of_same_images(path: Path, names: Sequence[str]) -> Tensor:
    """The images `names` of the set in `path`, (B, 3, H, W). Opened anew for each batch, so that memory stays small."""
    rows = read_set(path)
    place = {str(name): number for number, name in enumerate(rows["image"])}
    return torch.from_numpy(rows["pixels"][[place[name] for name in names]])


if __name__ == "__main__":
    run(main)

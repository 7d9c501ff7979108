"""De-identify images by one method, batch by batch, with whatever the method asks for at hand."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from pfgvm.attacks.common.context import Context, Gallery
from pfgvm.attacks.common.targets import choose_targets
from pfgvm.models.batching import batches, padded
from pfgvm.settings import Settings
from stages.adversarial.adversarial_set import header, read_set, row_type
from stages.adversarial.descriptor_settings import descriptor_weights, open_descriptor
from stages.adversarial.method_modules import load_method
from stages.common.face_archive import read_images
from stages.networks.computing import configure_device
from stages.networks.resumable import WHOLE, Shard, fingerprint, write_in_batches
from stages.networks.trained_model import TrainedModel


# Cached properties need a dictionary, and a hash of their own.
@dataclass(eq=False)
class Workshop:
    """All that methods may ask for, for the batches of one program; each is made once, when it is first needed.

    trained: the model that is attacked, or by whose classes the targets are chosen. faces: the zip of the originals.
    rows: `image` and `person` of all attacked images. reference: the set whose perturbations a control matches.
    """

    trained: TrainedModel
    faces: Path
    rows: pd.DataFrame
    settings: Settings
    reference: Path | None = None

    @functools.cached_property
    def device(self) -> torch.device:
        """The device of the settings, for which this process is then set up."""
        return configure_device(self.settings.device)

    @functools.cached_property
    def network(self) -> nn.Module:
        """The trained model on the device."""
        return self.trained.network(self.device)

    @functools.cached_property
    def gallery(self) -> Gallery:
        """All attacked images."""
        return Gallery(list(self.rows["image"]), list(self.rows["person"]), self.images)

    def images(self, names: Sequence[str]) -> Tensor:
        """The originals `names`: float32 in [0, 1], (n, 3, H, W), on the device."""
        pixels = read_images(self.faces, names, self.trained.record.image_size)
        return torch.from_numpy(pixels).to(self.device)

    def context(self, rows: pd.DataFrame) -> Context:
        """What a method de-identifies of `rows`, and may use: images and names are padded to attack.batch_size."""
        count = self.settings.attack.batch_size
        names = list(rows["image"])
        names += names[-1:] * (count - len(names))
        images = padded(self.images(list(rows["image"])), count)
        makers: dict[str, Callable[[], Any]] = {
            "model": lambda: self.network,
            "targets": lambda: self._targets(images, names, list(rows["person"])),
            "gallery": lambda: self.gallery,
            "descriptors": lambda: self.descriptors,
        }
        if self.reference:
            reference = self.reference
            makers["reference"] = lambda: _of_same_images(reference, names).to(self.device)
        return Context(images, names, makers)

    def descriptors(self, names: Sequence[str]) -> list[nn.Module]:
        """The face descriptors `names` on the device."""
        return [self._descriptor(name) for name in names]

    @functools.cache  # noqa: B019  # one object lives as long as its program
    def _descriptor(self, name: str) -> nn.Module:
        return open_descriptor(name, self.settings, self.trained.record.image_size).to(self.device)

    def _targets(self, images: Tensor, names: Sequence[str], persons: Sequence[str]) -> Tensor:
        classes = torch.tensor([self.trained.record.classes.index(person) for person in persons])
        with torch.no_grad():
            logits = self.network(images)
        attack = self.settings.attack
        return choose_targets(
            attack.target, names, padded(classes, len(names)).to(self.device), logits, seed=attack.seed
        )


def write_adversarial_set(method: str, workshop: Workshop, out: Path, shard: Shard = WHOLE) -> None:
    """Write the images of `workshop`, de-identified by the method with the key `method`, to `out`."""
    trained, rows, settings = workshop.trained, workshop.rows, workshop.settings
    record, attack, chosen = trained.record, settings.attack, load_method(method)
    parameters = chosen.parameters(attack, record.model)
    descriptors = parameters.get("descriptors", [])
    row = row_type(
        method, ",".join([*descriptors, record.descriptor]), rows["image"], record.classes, record.image_size
    )

    def make(part: slice) -> bytes:
        context = workshop.context(rows[part])
        adversarial = chosen.deidentify(context, **parameters)
        made = np.zeros(part.stop - part.start, row)
        made["method"] = method
        made["image"] = context.names[: len(made)]
        seen_by = descriptors if "descriptors" in context.asked else []
        made["seen_by"] = ",".join([*seen_by, *([record.descriptor] if "model" in context.asked else [])])
        # A control is compared with an attack that has this aim.
        if context.asked & {"model", "reference"}:
            made["model"] = record.model
            made["target"] = [record.classes[target] for target in context.targets[: len(made)].tolist()]
        made["pixels"] = adversarial[: len(made)].cpu().numpy()
        return made.tobytes()

    files = [*trained.files, workshop.faces, *([workshop.reference] if workshop.reference else [])]
    files += [descriptor_weights(name, settings) for name in descriptors]
    key = fingerprint(files, rows.to_csv(), parameters, attack.target, attack.seed, attack.batch_size, settings.device)
    write_in_batches(out, header(row, len(rows)), batches(len(rows), attack.batch_size), make, key=key, shard=shard)


def _of_same_images(path: Path, names: Sequence[str]) -> Tensor:
    """The images `names` of the set in `path`, (B, 3, H, W). Opened anew for each batch, so that memory stays small."""
    rows = read_set(path)
    place = {str(name): number for number, name in enumerate(rows["image"])}
    return torch.from_numpy(rows["pixels"][[place[name] for name in names]])

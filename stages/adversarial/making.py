"""De-identify images with one method, batch by batch, and provide the inputs that the method uses."""

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


# eq=False: the cached methods need a hash.
@dataclass(eq=False)
class MethodInputs:
    """The inputs that methods can use, for all batches of one program; each is computed at its first use.

    trained: the attacked model, or the one that defines the classes. faces: the zip of the originals. rows: `image`
    and `person` of all attacked images. reference: the set whose L2 norms a control matches.
    """

    trained: TrainedModel
    faces: Path
    rows: pd.DataFrame
    settings: Settings
    reference: Path | None = None

    @functools.cached_property
    def device(self) -> torch.device:
        """The device of the settings; the process is set up for it."""
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
        """Read the originals `names`: float32 in [0, 1], (n, 3, H, W), on the device."""
        pixels = read_images(self.faces, names, self.trained.record.image_size)
        return torch.from_numpy(pixels).to(self.device)

    def context(self, rows: pd.DataFrame) -> Context:
        """Build a method's input for one batch of `rows`, with images and names padded to attack.batch_size."""
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
        """Load the face descriptors `names` on the device."""
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


def write_adversarial_set(method: str, inputs: MethodInputs, out: Path, shard: Shard = WHOLE) -> None:
    """Write the images of `inputs`, de-identified with the method of the key `method`, to `out`."""
    trained, rows, settings = inputs.trained, inputs.rows, inputs.settings
    record, attack, module = trained.record, settings.attack, load_method(method)
    parameters = module.parameters(attack, record.model)
    descriptors = parameters.get("descriptors", [])
    row = row_type(
        method,
        ",".join([*descriptors, record.descriptor]),
        rows["image"],
        record.classes,
        record.image_size,
        displaces=getattr(module, "DISPLACES", False),
    )

    def make(part: slice) -> bytes:
        context = inputs.context(rows[part])
        adversarial = module.deidentify(context, **parameters)
        results = np.zeros(part.stop - part.start, row)
        results["method"] = method
        results["image"] = context.names[: len(results)]
        seen_by = descriptors if "descriptors" in context.asked else []
        results["seen_by"] = ",".join([*seen_by, *([record.descriptor] if "model" in context.asked else [])])
        # A control has the target of its attack, with which it is compared.
        if context.asked & {"model", "reference"}:
            results["model"] = record.model
            results["target"] = [record.classes[target] for target in context.targets[: len(results)].tolist()]
        results["pixels"] = adversarial[: len(results)].cpu().numpy()
        if context.shape_and_light:
            results["displacement"] = context.shape_and_light.displacement[: len(results)].cpu().numpy()
        return results.tobytes()

    files = [*trained.files, inputs.faces, *([inputs.reference] if inputs.reference else [])]
    files += [descriptor_weights(name, settings) for name in descriptors]
    key = fingerprint(files, rows.to_csv(), parameters, attack.target, attack.seed, attack.batch_size, settings.device)
    write_in_batches(out, header(row, len(rows)), batches(len(rows), attack.batch_size), make, key=key, shard=shard)


def _of_same_images(path: Path, names: Sequence[str]) -> Tensor:
    """Read the images `names` of the set in `path`, (B, 3, H, W); opened anew for each batch to save memory."""
    rows = read_set(path)
    place = {str(name): number for number, name in enumerate(rows["image"])}
    return torch.from_numpy(rows["pixels"][[place[name] for name in names]])

"""De-identification of the faces in one photo: each is aligned, attacked, and its change placed in the photo."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.smooth_fields import displaced, shaded
from pfgvm.attacks.common.targets import choose_targets
from pfgvm.evaluation.recognition.alignment import pixels_under
from pfgvm.evaluation.recognition.detection import Face
from pfgvm.faces.geometry import face_region
from pfgvm.photographs.colour import without_colour
from pfgvm.photographs.photograph import Photograph
from pfgvm.photographs.placement import add, frame_of, framed, transfer_of


@dataclass(frozen=True)
class Classifier:
    """The classifier that a method attacks.

    network: in eval mode, images (B, 3, H, W) in [0, 1] to logits. policy, seed: as in `choose_targets`.
    """

    network: nn.Module
    policy: str
    seed: int


@dataclass(frozen=True)
class Protector:
    """A method with its parameters and networks.

    image_size: H, W of the frames. deidentify: function of the method, with its parameters. classifier: None if the
    method attacks no classifier. descriptors: attacked descriptors by name, in eval mode. All networks are on `device`.
    """

    image_size: tuple[int, int]
    deidentify: Callable[[Context], Tensor]
    classifier: Classifier | None = None
    descriptors: Mapping[str, nn.Module] = field(default_factory=dict)
    device: torch.device | str = "cpu"


@dataclass(frozen=True)
class Predictions:
    """Target class of a face, and the classes predicted before and after protection."""

    target: int
    predicted_clean: int
    predicted: int


@dataclass(frozen=True)
class ProtectedFace:
    """One protected face: before and after, in the method's framing, float32 in [0, 1], (3, H, W).

    predictions: None without a classifier. displacement, displacement_max: mean and maximum length of the displacement
    on the face, in pixels of the photo; 0 for a method that displaces no pixels.
    """

    face: Face
    before: np.ndarray
    after: np.ndarray
    predictions: Predictions | None
    displacement: float
    displacement_max: float


def protect(
    photograph: Photograph, faces: Sequence[Face], name: str, protector: Protector
) -> tuple[Photograph, list[ProtectedFace]]:
    """De-identify `faces` in the `photograph` one after the other; the result and the protected faces.

    The photo itself is displaced and shaded at its own resolution, and the rest of the perturbation is added to it:
    pixels outside the frames are unchanged, and a grey photo remains grey.
    Since the identity is unknown to the classifier, the target differs from the predicted class; it is chosen by (seed,
    `name`, position in `faces`). Raises InputError as the method does.
    """
    protected = dataclasses.replace(photograph, pixels=photograph.pixels.copy())
    changes = [
        _deidentify_in(protected, face, f"{name}, face {number}", protector)
        for number, face in enumerate(faces, start=1)
    ]
    photos = photograph.seen, protected.seen
    protected_faces = []
    for face, (target, lengths) in zip(faces, changes, strict=True):
        before, after = (framed(pixels, face, protector.image_size) for pixels in photos)
        predictions = None
        if protector.classifier:
            classes = (_class_of(view, protector.classifier, protector.device) for view in (before, after))
            predictions = Predictions(target, *classes)
        protected_faces.append(ProtectedFace(face, before, after, predictions, *lengths))
    return protected, protected_faces


def _class_of(view: np.ndarray, classifier: Classifier, device: torch.device | str) -> int:
    with torch.no_grad():
        return int(classifier.network(_images(view, device)).argmax())


def _deidentify_in(
    photograph: Photograph, face: Face, name: str, protector: Protector
) -> tuple[int, tuple[float, float]]:
    """De-identify one face in the pixels of the `photograph`.

    Returns the target class, 0 without one, and the mean and maximum displacement as in `ProtectedFace`.
    """
    frame, shape = frame_of(face, protector.image_size), photograph.pixels.shape[:2]
    images = _images(framed(photograph.seen, face, protector.image_size), protector.device)
    transfer = transfer_of(frame, shape, protector.image_size, grey=without_colour(photograph.pixels))

    def through_photograph(network: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda x_adv: network(images + transfer(x_adv - images))

    targets = torch.zeros(1, dtype=torch.int64)
    makers: dict[str, Callable[[], Any]] = {"descriptors": lambda: attacked, "targets": lambda: targets}
    if classifier := protector.classifier:
        network = classifier.network
        with torch.no_grad():
            logits = network(images)
        targets = choose_targets(classifier.policy, [name], logits.argmax(1), logits, classifier.seed)
        makers["model"] = lambda: through_photograph(network)

    def attacked(names: Sequence[str]) -> list[Callable[[Tensor], Tensor]]:
        return [through_photograph(protector.descriptors[key]) for key in names]

    context = Context(images, [name], makers)
    x_adv = protector.deidentify(context)
    original, lengths, shape_and_light = images, (0.0, 0.0), None
    if fields := context.shape_and_light:
        original = shaded(displaced(images, fields.displacement), fields.shading)
        on_face = fields.displacement[0][:, *face_region(protector.image_size)].norm(dim=0) * pixels_under(frame)
        lengths = on_face.mean().item(), on_face.max().item()
        shape_and_light = _last_axis(torch.cat(fields, dim=1))
    add(_last_axis(transfer(x_adv - original)), frame, photograph.pixels, shape_and_light)
    return int(targets), lengths


def _last_axis(values: Tensor) -> np.ndarray:
    """Values (1, C, H, W) as (H, W, C)."""
    return values[0].permute(1, 2, 0).cpu().numpy()


def _images(framed_face: np.ndarray, device: torch.device | str) -> Tensor:
    return torch.from_numpy(framed_face[None]).to(device)

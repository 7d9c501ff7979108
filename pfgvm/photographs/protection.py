"""De-identification of the faces in one photo: each is aligned, attacked, and its perturbation warped back."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.targets import choose_targets
from pfgvm.evaluation.recognition.alignment import (
    celeba_points,
    inverse,
    of_part,
    part_seen,
    pixels_under,
    similarity,
    warped,
)
from pfgvm.evaluation.recognition.detection import Face
from pfgvm.photographs.colour import without_colour
from pfgvm.photographs.photograph import Photograph

# Width of the fade-out of the perturbation, relative to the shorter side of a frame, against visible seams.
_FADE = 0.08
# Iterations that compensate the blur of interpolation; further ones have almost no effect.
_ROUNDS = 3


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
    strength: factor of the perturbation.
    """

    image_size: tuple[int, int]
    deidentify: Callable[[Context], Tensor]
    classifier: Classifier | None = None
    descriptors: Mapping[str, nn.Module] = field(default_factory=dict)
    device: torch.device | str = "cpu"
    strength: float = 1.0


@dataclass(frozen=True)
class Predictions:
    """Target class of a face, and the classes predicted before and after protection."""

    target: int
    predicted_clean: int
    predicted: int


@dataclass(frozen=True)
class ProtectedFace:
    """One protected face: before and after, in the method's framing, float32 in [0, 1], (3, H, W).

    predictions: None without a classifier.
    """

    face: Face
    before: np.ndarray
    after: np.ndarray
    predictions: Predictions | None


def framed(pixels: np.ndarray, face: Face, image_size: tuple[int, int]) -> np.ndarray:
    """The `face` in CelebA's framing, from the pixels of a photo, uint8 RGB: float32 in [0, 1], (3, H, W).

    image_size: H, W. Border pixels are replicated outside the photo.
    """
    return _view(pixels, _frame(face, image_size), image_size)


def shown(pixels: np.ndarray, face: Face, size: tuple[int, int], margin: float) -> np.ndarray:
    """The upright `face` for display, from the pixels of a photo, uint8 RGB: float32 in [0, 1], (3, H, W).

    size: H, W. margin: margin around CelebA's framing on each side, relative to its width and height. White outside the
    photo.
    """
    frame = _frame(face, size, margin)
    return np.where(_inside(frame, pixels.shape[:2], size), _view(pixels, frame, size), np.float32(1))


def protect(
    photograph: Photograph, faces: Sequence[Face], name: str, protector: Protector
) -> tuple[Photograph, list[ProtectedFace]]:
    """De-identify `faces` in the `photograph` one after the other; the result and the protected faces.

    Only the perturbation is added to the photo: pixels outside the frames are unchanged, and a grey photo remains grey.
    Since the identity is unknown to the classifier, the target differs from the predicted class; it is chosen by (seed,
    `name`, position in `faces`). Raises InputError as the method does.
    """
    protected = dataclasses.replace(photograph, pixels=photograph.pixels.copy())
    targets = [
        _deidentify_in(protected, face, f"{name}, face {number}", protector)
        for number, face in enumerate(faces, start=1)
    ]
    photos = photograph.seen, protected.seen
    protected_faces = []
    for face, target in zip(faces, targets, strict=True):
        before, after = (framed(pixels, face, protector.image_size) for pixels in photos)
        predictions = None
        if protector.classifier:
            classes = (_class_of(view, protector.classifier, protector.device) for view in (before, after))
            predictions = Predictions(target, *classes)
        protected_faces.append(ProtectedFace(face, before, after, predictions))
    return protected, protected_faces


def _class_of(view: np.ndarray, classifier: Classifier, device: torch.device | str) -> int:
    with torch.no_grad():
        return int(classifier.network(_images(view, device)).argmax())


def _deidentify_in(photograph: Photograph, face: Face, name: str, protector: Protector) -> int:
    """Add the perturbation of one face to the pixels of the `photograph`; returns the target class, 0 without one."""
    frame, shape = _frame(face, protector.image_size), photograph.pixels.shape[:2]
    images = _images(framed(photograph.seen, face, protector.image_size), protector.device)
    transfer = _transfer(frame, shape, protector.image_size, grey=without_colour(photograph.pixels))

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
    scaled = (images + protector.strength * (protector.deidentify(context) - images)).clamp(0, 1)
    [perturbation] = transfer(scaled - images).cpu().numpy()
    _add(perturbation.transpose(1, 2, 0), frame, photograph.pixels)
    return int(targets)


def _view(pixels: np.ndarray, frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.clip(warped(pixels, frame, size) / 255, 0, 1).transpose(2, 0, 1)


def _frame(face: Face, image_size: tuple[int, int], margin: float = 0) -> np.ndarray:
    """2 x 3 matrix from points of the photo to points of `framed`, or of `shown` with a margin."""
    middle = (np.array([image_size[1], image_size[0]]) - 1) / 2
    return similarity(face.points, middle + (celeba_points(image_size) - middle) / (1 + 2 * margin))


def _images(framed_face: np.ndarray, device: torch.device | str) -> Tensor:
    return torch.from_numpy(framed_face[None]).to(device)


def _transfer(
    frame: np.ndarray, shape: tuple[int, int], image_size: tuple[int, int], *, grey: bool
) -> Callable[[Tensor], Tensor]:
    """Linear function from a perturbation of the frame, (1, 3, H, W), to that in a photo of `shape` (height, width).

    The attack differentiates through it. Otherwise it would miss its target in the photo, above all where the face has
    fewer pixels in the photo than in the frame.
    """
    weights = torch.from_numpy((_fade(image_size) * _inside(frame, shape, image_size)).astype(np.float32))
    scale = min(1, pixels_under(frame))
    over_rows, over_columns = (torch.from_numpy(_resolved(size, scale)) for size in image_size)

    def transfer(change: Tensor) -> Tensor:
        resolved = over_rows.to(change) @ change @ over_columns.to(change).T * weights.to(change)
        return resolved.mean(1, keepdim=True).expand_as(resolved) if grey else resolved

    return transfer


def _inside(frame: np.ndarray, shape: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Mask (H, W) of the frame's points inside a photo of `shape` (height, width)."""
    columns, rows = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
    x, y = np.tensordot(inverse(frame), np.stack([columns, rows, np.ones_like(rows)]), axes=1)
    return (x >= 0) & (x <= shape[1] - 1) & (y >= 0) & (y <= shape[0] - 1)


def _fade(image_size: tuple[int, int]) -> np.ndarray:
    """Weights (H, W) that rise from 0 at the border to 1."""
    over = max(1, round(_FADE * min(image_size)))
    to_border = [np.minimum(np.arange(size), np.arange(size)[::-1]) for size in image_size]
    rows, columns = (0.5 - 0.5 * np.cos(math.pi * np.minimum(1, distance / over)) for distance in to_border)
    return np.outer(rows, columns)


def _resolved(size: int, scale: float) -> np.ndarray:
    """Matrix (size, size) that downscales a line of `size` pixels by `scale` <= 1 and enlarges it again."""
    small = max(1, round(scale * size))
    shrink = cv2.resize(np.eye(size, dtype=np.float32), (size, small), interpolation=cv2.INTER_AREA)
    enlarge = cv2.resize(np.eye(small, dtype=np.float32), (small, size), interpolation=cv2.INTER_LINEAR)
    return enlarge @ shrink


def _add(perturbation: np.ndarray, frame: np.ndarray, pixels: np.ndarray) -> None:
    """Change `pixels`, uint8 RGB, so that their frame changes by `perturbation`, (H, W, 3), as closely as possible."""
    image_size = (perturbation.shape[0], perturbation.shape[1])
    rows, columns = part_seen(pixels.shape, frame, image_size)
    part, size = of_part(frame, columns.start, rows.start), (rows.stop - rows.start, columns.stop - columns.start)

    def in_photograph(change: np.ndarray) -> np.ndarray:
        return warped(change, inverse(part), size, cv2.BORDER_CONSTANT)

    # Interpolation to the photo and back blurs: the difference is added (Van Cittert's iteration).
    source, fade = perturbation, _fade(image_size)[..., None].astype(np.float32)
    for _ in range(_ROUNDS):
        source = source + fade * (perturbation - warped(in_photograph(source), part, image_size))
    # In place: for a large photo this is the largest array.
    change = in_photograph(source)
    change *= 255
    change += pixels[rows, columns]
    pixels[rows, columns] = np.rint(change.clip(0, 255, out=change), out=change)

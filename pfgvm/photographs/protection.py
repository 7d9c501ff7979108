"""De-identify the faces on one photograph: each is framed as the model knows faces, and its perturbation laid back."""

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

# The part of a frame's shorter side over which the perturbation fades out, so that no seam is seen.
_FADE = 0.08
# Rounds in which what interpolation blurs of a perturbation is added again; more change next to nothing.
_ROUNDS = 3


@dataclass(frozen=True)
class Classifier:
    """The classifier that a method attacks.

    network: in eval mode, images in [0, 1], (B, 3, H, W), to logits. policy, seed: of `choose_targets`.
    """

    network: nn.Module
    policy: str
    seed: int


@dataclass(frozen=True)
class Protector:
    """A method with all that it needs.

    image_size: H, W of the frame that it works on. deidentify: the method's, with its parameters. classifier: None for
    a method that attacks none. descriptors: by name, for one that attacks those, in eval mode. All of them are on
    `device`. strength: what the perturbation is multiplied with.
    """

    image_size: tuple[int, int]
    deidentify: Callable[[Context], Tensor]
    classifier: Classifier | None = None
    descriptors: Mapping[str, nn.Module] = field(default_factory=dict)
    device: torch.device | str = "cpu"
    strength: float = 1.0


@dataclass(frozen=True)
class Said:
    """What the classifier says of a face: the class aimed at, and for whom it takes the face before and after."""

    target: int
    predicted_clean: int
    predicted: int


@dataclass(frozen=True)
class ProtectedFace:
    """What became of one face: as the method frames it, before and after, float32 in [0, 1], (3, H, W).

    said: None without a classifier.
    """

    face: Face
    before: np.ndarray
    after: np.ndarray
    said: Said | None


def framed(pixels: np.ndarray, face: Face, image_size: tuple[int, int]) -> np.ndarray:
    """The `face` on a photograph, uint8 RGB, in CelebA's framing, as the model sees it: float32 in [0, 1], (3, H, W).

    image_size: H, W. Outside the photograph its outermost pixels go on.
    """
    return _view(pixels, _frame(face, image_size), image_size)


def shown(pixels: np.ndarray, face: Face, size: tuple[int, int], margin: float) -> np.ndarray:
    """The `face` on a photograph, uint8 RGB, upright, as people look at it: float32 in [0, 1], (3, H, W).

    size: H, W. margin: what is shown around CelebA's framing, on each side, in widths and heights of that. Outside the
    photograph it is white.
    """
    frame = _frame(face, size, margin)
    return np.where(_inside(frame, pixels.shape[:2], size), _view(pixels, frame, size), np.float32(1))


def protect(
    photograph: Photograph, faces: Sequence[Face], name: str, protector: Protector
) -> tuple[Photograph, list[ProtectedFace]]:
    """The `photograph` with each of `faces` de-identified, one after the other, and what became of each.

    The perturbation alone is laid into the photograph; outside the frames nothing changes, and a grey photograph stays
    grey. The person on it being none of a classifier's, the target is another than the one for whom it takes the face,
    chosen by (seed, `name`, the face's place in `faces`). Raises InputError as the method does.
    """
    done = dataclasses.replace(photograph, pixels=photograph.pixels.copy())
    targets = [
        _deidentify_in(done, face, f"{name}, face {number}", protector) for number, face in enumerate(faces, start=1)
    ]
    seen_before, seen_after = photograph.seen, done.seen
    found = []
    for face, target in zip(faces, targets, strict=True):
        before, after = (framed(seen, face, protector.image_size) for seen in (seen_before, seen_after))
        said = None
        if protector.classifier:
            said = Said(target, *(_class_of(view, protector.classifier, protector.device) for view in (before, after)))
        found.append(ProtectedFace(face, before, after, said))
    return done, found


def _class_of(view: np.ndarray, classifier: Classifier, device: torch.device | str) -> int:
    with torch.no_grad():
        return int(classifier.network(_images(view, device)).argmax())


def _deidentify_in(photograph: Photograph, face: Face, name: str, protector: Protector) -> int:
    """Lay the perturbation of one face into the pixels of the `photograph`; returns the target class, 0 without one."""
    frame, shape = _frame(face, protector.image_size), photograph.pixels.shape[:2]
    images = _images(framed(photograph.seen, face, protector.image_size), protector.device)
    left = _what_is_left(frame, shape, protector.image_size, grey=without_colour(photograph.pixels))

    def through_photograph(network: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda x_adv: network(images + left(x_adv - images))

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
    stronger = (images + protector.strength * (protector.deidentify(context) - images)).clamp(0, 1)
    [change] = left(stronger - images).cpu().numpy()
    _lay(change.transpose(1, 2, 0), frame, photograph.pixels)
    return int(targets)


def _view(pixels: np.ndarray, frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.clip(warped(pixels, frame, size) / 255, 0, 1).transpose(2, 0, 1)


def _frame(face: Face, image_size: tuple[int, int], margin: float = 0) -> np.ndarray:
    """The 2 x 3 matrix from points of the photograph to those of `framed`, or of `shown` where there is a margin."""
    middle = (np.array([image_size[1], image_size[0]]) - 1) / 2
    return similarity(face.points, middle + (celeba_points(image_size) - middle) / (1 + 2 * margin))


def _images(framed_face: np.ndarray, device: torch.device | str) -> Tensor:
    return torch.from_numpy(framed_face[None]).to(device)


def _what_is_left(
    frame: np.ndarray, shape: tuple[int, int], image_size: tuple[int, int], *, grey: bool
) -> Callable[[Tensor], Tensor]:
    """What a photograph of `shape` (height, width) keeps of a change of the frame, (1, 3, H, W): a linear function.

    An attack that does not know of it loses its aim on the way into the photograph, above all where the face has
    fewer pixels there than in the frame.
    """
    weights = torch.from_numpy((_fade(image_size) * _inside(frame, shape, image_size)).astype(np.float32))
    scale = min(1, pixels_under(frame))
    over_rows, over_columns = (torch.from_numpy(_resolved(size, scale)) for size in image_size)

    def left(change: Tensor) -> Tensor:
        kept = over_rows.to(change) @ change @ over_columns.to(change).T * weights.to(change)
        return kept.mean(1, keepdim=True).expand_as(kept) if grey else kept

    return left


def _inside(frame: np.ndarray, shape: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Which points of the frame, (H, W), lie on a photograph of `shape` (height, width)."""
    columns, rows = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
    x, y = np.tensordot(inverse(frame), np.stack([columns, rows, np.ones_like(rows)]), axes=1)
    return (x >= 0) & (x <= shape[1] - 1) & (y >= 0) & (y <= shape[0] - 1)


def _fade(image_size: tuple[int, int]) -> np.ndarray:
    """Weights, (H, W), that rise from 0 at the border to 1."""
    over = max(1, round(_FADE * min(image_size)))
    to_border = [np.minimum(np.arange(size), np.arange(size)[::-1]) for size in image_size]
    rows, columns = (0.5 - 0.5 * np.cos(math.pi * np.minimum(1, distance / over)) for distance in to_border)
    return np.outer(rows, columns)


def _resolved(size: int, scale: float) -> np.ndarray:
    """The matrix, (size, size), that shows a line of `size` pixels at `scale` <= 1 and enlarges it again."""
    small = max(1, round(scale * size))
    shrink = cv2.resize(np.eye(size, dtype=np.float32), (size, small), interpolation=cv2.INTER_AREA)
    enlarge = cv2.resize(np.eye(small, dtype=np.float32), (small, size), interpolation=cv2.INTER_LINEAR)
    return enlarge @ shrink


def _lay(wanted: np.ndarray, frame: np.ndarray, pixels: np.ndarray) -> None:
    """Change `pixels`, uint8 RGB, so that their frame, (H, W, 3), changes by `wanted`, as nearly as they can."""
    image_size = (wanted.shape[0], wanted.shape[1])
    rows, columns = part_seen(pixels.shape, frame, image_size)
    part, size = of_part(frame, columns.start, rows.start), (rows.stop - rows.start, columns.stop - columns.start)

    def in_photograph(change: np.ndarray) -> np.ndarray:
        return warped(change, inverse(part), size, cv2.BORDER_CONSTANT)

    # Interpolated there and back it comes out blurred: what is lacking is added (Van Cittert's iteration).
    laid, fade = wanted, _fade(image_size)[..., None].astype(np.float32)
    for _ in range(_ROUNDS):
        laid = laid + fade * (wanted - warped(in_photograph(laid), part, image_size))
    # In place: of a large photograph this is the largest array.
    change = in_photograph(laid)
    change *= 255
    change += pixels[rows, columns]
    pixels[rows, columns] = np.rint(change.clip(0, 255, out=change), out=change)

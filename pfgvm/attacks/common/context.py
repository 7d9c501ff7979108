"""A batch of images to de-identify and the inputs that a method may request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from pfgvm.attacks.common.features import FeatureExtractor
    from pfgvm.attacks.common.gradient import Model


# Compared by identity, so that a method can cache results per gallery across batches.
@dataclass(frozen=True, eq=False)
class Gallery:
    """All attacked images, for methods that combine several of them. One object is shared by all batches.

    names: image names, without repetition. persons: the identity of each image. read: maps names to images,
    (n, 3, H, W), float32 in [0, 1], on the batch's device.
    """

    names: Sequence[str]
    persons: Sequence[str]
    read: Callable[[Sequence[str]], Tensor]


class ShapeAndLight(NamedTuple):
    """The smooth part of a perturbation, at the images' size.

    displacement: (B, 2, H, W), x and y in pixels: a pixel at p shows what the original shows at p + displacement.
    shading: (B, 1, H, W), relative change of mid-grey (`smooth_fields.shaded`).
    """

    displacement: Tensor
    shading: Tensor


@dataclass
class Context:
    """The input of a method: images, and further inputs that are created on first access.

    images: x, (B, C, H, W) in [0, 1]. names: B image names; a padded batch repeats its last one.
    makers: functions without arguments that create the model, targets, gallery, …, by property name.
    strength: strength of a conventional method relative to its settings (1).
    asked: the properties that the method has accessed, from which the dependencies of an image are derived.
    shape_and_light: set by a method that displaces pixels, together with its result.
    """

    images: Tensor
    names: Sequence[str]
    makers: Mapping[str, Callable[[], Any]]
    strength: float = 1.0
    asked: set[str] = field(default_factory=set)
    shape_and_light: ShapeAndLight | None = None
    _made: dict[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> Model:
        """The attacked classifier: images (B, 3, H, W) in [0, 1] to logits (B, classes)."""
        return self._ask("model")

    @property
    def targets(self) -> Tensor:
        """Targets ỹ, (B,) class indices on the images' device."""
        return self._ask("targets")

    @property
    def reference(self) -> Tensor:
        """Images like `images`, whose perturbation norm a control matches."""
        return self._ask("reference")

    @property
    def gallery(self) -> Gallery:
        """All attacked images."""
        return self._ask("gallery")

    def descriptors(self, names: Sequence[str]) -> Sequence[FeatureExtractor]:
        """The face descriptors `names`, on the images' device."""
        return self._ask("descriptors")(names)

    def _ask(self, name: str) -> Any:
        if name not in self.makers:
            raise ValueError(f"the method requests {name}, which this context does not provide; add it to makers")
        self.asked.add(name)
        if name not in self._made:
            self._made[name] = self.makers[name]()
        return self._made[name]

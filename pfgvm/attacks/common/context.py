"""One batch of images to de-identify, and whatever a method asks for besides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from pfgvm.attacks.common.features import FeatureExtractor
    from pfgvm.attacks.common.gradient import Model


# Compared by identity, so that a method can keep what it computed from one gallery for the next batch.
@dataclass(frozen=True, eq=False)
class Gallery:
    """All attacked images, for a method that combines several. One object serves all batches.

    names: of all images, each once. persons: the identity on each. read: names to their images, (n, 3, H, W), float32
    in [0, 1], on the batch's device.
    """

    names: Sequence[str]
    persons: Sequence[str]
    read: Callable[[Sequence[str]], Tensor]


@dataclass
class Context:
    """What a method de-identifies, and what it may use: each of `makers` is called when a method first asks for it.

    images: x, (B, C, H, W) in [0, 1]. names: B of them; a padded batch repeats its last.
    makers: functions without arguments that make the model, the targets, the gallery, … by the name of the property.
    strength: how strong a method that attacks nothing is to be, 1 as its settings have it.
    asked: the properties that a method has used; what an image follows from is read off here.
    """

    images: Tensor
    names: Sequence[str]
    makers: Mapping[str, Callable[[], Any]]
    strength: float = 1.0
    asked: set[str] = field(default_factory=set)
    _made: dict[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> Model:
        """The classifier that is attacked: images in [0, 1], (B, 3, H, W), to logits, (B, classes)."""
        return self._ask("model")

    @property
    def targets(self) -> Tensor:
        """ỹ, (B,) class indices on the images' device."""
        return self._ask("targets")

    @property
    def reference(self) -> Tensor:
        """The images, like `images`, whose perturbation a control matches."""
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
            raise ValueError(f"a method asks for its {name}, which this context does not have")
        self.asked.add(name)
        if name not in self._made:
            self._made[name] = self.makers[name]()
        return self._made[name]

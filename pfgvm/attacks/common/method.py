"""What the pipeline needs to know of a method: each file of `methods` ends with METHOD, one of these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from pfgvm.attacks.common.features import FeatureExtractor
    from pfgvm.attacks.common.gradient import Model

    # An attack runs without the settings' schema, so an edit of the schema makes no finished batch stale.
    from pfgvm.settings import Attack


# Known by identity, so that a method can keep what it found out of one gallery for the next batch.
@dataclass(frozen=True, eq=False)
class Gallery:
    """All attacked images, for a method that makes an image out of several. One object serves all batches."""

    names: Sequence[str]
    """Of all images, each once."""
    persons: Sequence[str]
    """Who is on each."""
    read: Callable[[Sequence[str]], Tensor]
    """Names to their images, (n, 3, H, W), float32 in [0, 1], on the batch's device."""


@dataclass(frozen=True)
class Batch:
    """Images to de-identify on one model."""

    model: Model
    images: Tensor
    """x, (B, 3, H, W) in [0, 1]."""
    targets: Tensor
    """ỹ, (B,) class indices."""
    names: Sequence[str]
    """B of them; a padded batch repeats its last."""
    followed: Tensor | None = None
    """What the method that this one follows made of `images`, like them."""
    gallery: Gallery | None = None
    """For a method that `needs_gallery`."""
    descriptors: Sequence[FeatureExtractor] = ()
    """Those that the method names, on the images' device."""


def all_images(settings: Attack, names: list[str]) -> list[str]:
    """`names` as they are: the choice of a method that takes every attacked image."""
    return names


@dataclass(frozen=True)
class Method:
    """A way to de-identify images, as the pipeline sees it."""

    label: str
    """What every table calls it."""
    deidentify: Callable[..., Tensor]
    """(batch, **parameters) to images like `batch.images`."""
    parameters: Callable[[Attack, str], dict[str, Any]]
    """The settings' section attack and a model's name, A or B, to all values that `deidentify` uses, fit for JSON."""
    follows: str | None = None
    """The key of the method whose images it needs as `batch.followed`."""
    chosen: Callable[[Attack, list[str]], list[str]] = all_images
    """The settings' section attack and the attacked images' names to the names that it takes."""
    uses_model: bool = True
    """Whether it has the model before it (white box), which a recogniser in the model is then not unseen to."""
    at_strength: Callable[[dict[str, Any], float], dict[str, Any]] | None = None
    """Its parameters, and a strength with 1 for these, to the parameters of that strength; None: its perturbation is
    multiplied."""
    needs_gallery: bool = False
    """Whether it makes an image out of several, from `batch.gallery`."""
    descriptors: Callable[[Attack], Sequence[str]] | None = None
    """The settings' section attack to the names of the face descriptors that it has before it, in `batch.descriptors`:
    as recognisers they are not unseen to it. None: no descriptor but its model's."""


def deidentify_by(attack: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`Method.deidentify` of an attack that takes (model, images, targets, **parameters)."""

    def deidentify(batch: Batch, **parameters: Any) -> Tensor:
        return attack(batch.model, batch.images, batch.targets, **parameters)

    return deidentify


def without_model(change: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """`Method.deidentify` of a function that takes (images, **parameters), and neither model nor targets."""

    def deidentify(batch: Batch, **parameters: Any) -> Tensor:
        return change(batch.images, **parameters)

    return deidentify

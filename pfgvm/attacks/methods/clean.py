"""The unchanged images, the reference of all comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from pfgvm.attacks.common.arguments import checked_images
from pfgvm.attacks.common.context import Context

if TYPE_CHECKING:
    from pfgvm.settings import Attack


def clean(images: Tensor) -> Tensor:
    """Copy of `images`, (B, C, H, W) in [0, 1]. Raises InputError for invalid images."""
    return checked_images(images).clone()


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify`: none."""
    return {}


def deidentify(context: Context) -> Tensor:
    """Apply `clean` to the images of `context`."""
    return clean(context.images)

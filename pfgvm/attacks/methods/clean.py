"""The images as they are: what everything is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from pfgvm.attacks.common.arguments import checked_images
from pfgvm.attacks.common.context import Context

if TYPE_CHECKING:
    from pfgvm.settings import Attack


def clean(images: Tensor) -> Tensor:
    """A copy of `images`, (B, C, H, W) in [0, 1]. Raises InputError for images that are none of this."""
    return checked_images(images).clone()


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """None."""
    return {}


def deidentify(context: Context) -> Tensor:
    """`clean` on the images of `context`."""
    return clean(context.images)

"""The images as they are: what everything is compared with."""

from __future__ import annotations

from torch import Tensor

from pfgvm.attacks.common.arguments import checked_images
from pfgvm.attacks.common.method import Method, without_model


def clean(images: Tensor) -> Tensor:
    """A copy of `images`, (B, C, H, W) in [0, 1]. Raises InputError for images that are none of this."""
    return checked_images(images).clone()


METHOD = Method("Clean", without_model(clean), lambda settings, model: {}, uses_model=False)

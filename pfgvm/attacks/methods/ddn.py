"""DDN, a reference for how small an L2 can be. Not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.attacks.common.adv_lib import load, nearest_of_target
from pfgvm.attacks.common.arguments import count
from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.gradient import Model

if TYPE_CHECKING:
    from pfgvm.settings import Attack

# Just above the norm at which adv-lib takes a gradient for none.
_NO_GRADIENT = 1e-11


def ddn(model: Model, images: Tensor, targets: Tensor, *, iterations: int) -> Tensor:
    """Decoupling Direction and Norm (Rony et al., CVPR 2019), by adv-lib: the nearest images found of the target class.

    Each step goes along the gradient of the cross-entropy; the norm shrinks by 5 % where the target is reached, and
    grows by as much where it is not.

    model: any callable from images in [0, 1], (B, C, H, W), to logits, (B, classes); a module is used in eval mode and
    left as it was. images: x, (B, C, H, W) in [0, 1]. targets: ỹ, (B,) class indices. iterations: N ≥ 0.
    Returns x̃, like `images`; an image whose target was not reached comes back as it was. Raises InputError for any
    argument that is none of this, and where adv-lib is not installed.
    """
    # No levels: the other methods are not held to 8 bits in their search either.
    settings = {"steps": count("iterations", iterations), "levels": None}
    return nearest_of_target(_without_chance, model, images, targets, **settings)


def _without_chance(model: Model, images: Tensor, *arguments: Any, **settings: Any) -> Tensor:
    """adv-lib's DDN, but where an image has no gradient, a direction that is always the same.

    adv-lib draws it for all images of a batch from the caller's random numbers.
    """
    drawn = torch.from_numpy(seeding.rng("ddn", "direction").standard_normal(tuple(images.shape[1:])))
    direction = (drawn / drawn.norm()).to(images)

    def with_gradient(gradient: Tensor) -> Tensor:
        none = gradient.flatten(1).norm(dim=1) < _NO_GRADIENT
        return torch.where(none.view(-1, 1, 1, 1), direction, gradient)

    def logits(x_adv: Tensor) -> Tensor:
        x_adv = x_adv.clone()
        x_adv.register_hook(with_gradient)
        return model(x_adv)

    return load("ddn")(logits, images, *arguments, **settings)


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """What `deidentify` needs of the settings' section attack for `model`, A or B; fit for JSON."""
    return {"iterations": settings.ddn.iterations}


def deidentify(context: Context, **parameters: Any) -> Tensor:
    """`ddn` on the images of `context`."""
    return ddn(context.model, context.images, context.targets, **parameters)

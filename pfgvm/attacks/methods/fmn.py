"""FMN, a reference for how small an L2 can be. Not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from pfgvm.attacks.common.adv_lib import load, nearest_of_target
from pfgvm.attacks.common.arguments import count
from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.gradient import Model

if TYPE_CHECKING:
    from pfgvm.settings import Attack


def fmn(model: Model, images: Tensor, targets: Tensor, *, iterations: int) -> Tensor:
    """Fast Minimum-Norm attack on L2 (Pintor et al., NeurIPS 2021), by adv-lib: the nearest images found of the target.

    Each step goes along the gradient of the difference between the target's logit and the largest other one, onto a
    sphere whose radius follows the distance to the class's boundary. Where that is an exact plane it may stop on it,
    and where many pixels are 0 or 1 before it.

    model: any callable from images in [0, 1], (B, C, H, W), to logits, (B, classes); a module is used in eval mode and
    left as it was. images: x, (B, C, H, W) in [0, 1]. targets: ỹ, (B,) class indices. iterations: N ≥ 0.
    Returns x̃, like `images`; an image whose target was not reached comes back as it was. Raises InputError for any
    argument that is none of this, and where adv-lib is not installed.
    """
    return nearest_of_target(load("fmn"), model, images, targets, norm=2, steps=count("iterations", iterations))


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """What `deidentify` needs of the settings' section attack for `model`, A or B; fit for JSON."""
    return {"iterations": settings.fmn.iterations}


def deidentify(context: Context, **parameters: Any) -> Tensor:
    """`fmn` on the images of `context`."""
    return fmn(context.model, context.images, context.targets, **parameters)

"""FMN, a minimum-norm attack. Not in the paper."""

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
    """Fast Minimum-Norm attack in L2 (Pintor et al., NeurIPS 2021), by adv-lib.

    Each step follows the gradient of the difference between the target logit and the largest other logit. It then
    projects onto a sphere whose radius tracks the distance to the decision boundary. On an exactly planar boundary it
    may stop on the boundary; with many pixels at 0 or 1 it may stop before it.

    model: any callable from images (B, C, H, W) in [0, 1] to logits (B, classes); a module runs in eval mode and is
    restored afterwards. images: x, (B, C, H, W) in [0, 1]. targets: ỹ, (B,) class indices. iterations: N ≥ 0.
    Returns x̃, like `images`; an image whose target is not reached is returned unchanged. Raises InputError for invalid
    arguments, and if adv-lib is not installed.
    """
    return nearest_of_target(load("fmn"), model, images, targets, norm=2, steps=count("iterations", iterations))


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    return {"iterations": settings.fmn.iterations}


def deidentify(context: Context, **parameters: Any) -> Tensor:
    """Apply `fmn` to the images of `context`."""
    return fmn(context.model, context.images, context.targets, **parameters)

"""C&W-L2, a reference for how small an L2 can be. Not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from pfgvm.attacks.common.adv_lib import load, nearest_of_target
from pfgvm.attacks.common.arguments import count, positive
from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.gradient import Model

if TYPE_CHECKING:
    from pfgvm.settings import Attack

# The first c, which matters where few are tried. With three, from adv-lib's own 0.001 as from 1, L2 on Model B was 0.4
# times larger; on Model A, 1 and 0.1 came to the same.
_FIRST_CONSTANT = 0.1


def cw_l2(
    model: Model,
    images: Tensor,
    targets: Tensor,
    *,
    search_steps: int,
    iterations: int,
    learning_rate: float,
) -> Tensor:
    """Carlini and Wagner's attack on L2 (S&P 2017), by adv-lib: the nearest images found of the target class.

    Adam minimizes ‖x̃ − x‖² + c·max(0, the largest other logit − the target's) over x̃ = (tanh w + 1) / 2, for one c
    after another: ten times as large until the target is reached, then halving the interval.

    model: any callable from images in [0, 1], (B, C, H, W), to logits, (B, classes); a module is used in eval mode and
    left as it was. images: x, (B, C, H, W) in [0, 1]. targets: ỹ, (B,) class indices.
    search_steps: values of c ≥ 0. iterations: Adam's steps for each ≥ 0. learning_rate: Adam's, > 0.
    Returns x̃, like `images`; an image whose target was not reached comes back as it was. Raises InputError for any
    argument that is none of this, and where adv-lib is not installed.
    """
    settings = {
        "binary_search_steps": count("search_steps", search_steps),
        "max_iterations": count("iterations", iterations),
        "learning_rate": positive("learning_rate", learning_rate),
        "initial_const": _FIRST_CONSTANT,
        # It ends the search for all images of a batch at once.
        "abort_early": False,
    }
    return nearest_of_target(load("carlini_wagner_l2"), model, images, targets, **settings)


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """What `deidentify` needs of the settings' section attack for `model`, A or B; fit for JSON."""
    values = settings.cw_l2
    return {
        "search_steps": values.search_steps,
        "iterations": values.iterations,
        "learning_rate": values.learning_rate,
    }


def deidentify(context: Context, **parameters: Any) -> Tensor:
    """`cw_l2` on the images of `context`."""
    return cw_l2(context.model, context.images, context.targets, **parameters)

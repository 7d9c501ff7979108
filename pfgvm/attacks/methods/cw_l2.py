"""C&W-L2, a minimum-norm attack. Not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from pfgvm.attacks.common.adv_lib import load, nearest_of_target
from pfgvm.attacks.common.arguments import count, positive
from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.gradient import Model

if TYPE_CHECKING:
    from pfgvm.settings import Attack

# Initial c, which matters for few search steps. With three, adv-lib's default 0.001 and also 1 gave an L2 on Model B
# that was 0.4 times larger; on Model A, 1 and 0.1 were equal.
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
    """Carlini and Wagner's minimum-norm attack in L2 (S&P 2017), by adv-lib.

    Adam minimises ‖x̃ − x‖² + c·max(0, max_{k≠ỹ} z_k − z_ỹ) over x̃ = (tanh w + 1) / 2, where z are the logits. The
    constant c grows tenfold until the target is reached, then follows a binary search.

    model: any callable from images (B, C, H, W) in [0, 1] to logits (B, classes); a module runs in eval mode and is
    restored afterwards. images: x, (B, C, H, W) in [0, 1]. targets: ỹ, (B,) class indices.
    search_steps: number of values of c, ≥ 0. iterations: steps of Adam per value, ≥ 0. learning_rate: of Adam, > 0.
    Returns x̃, like `images`; an image whose target is not reached is returned unchanged. Raises InputError for invalid
    arguments, and if adv-lib is not installed.
    """
    settings = {
        "binary_search_steps": count("search_steps", search_steps),
        "max_iterations": count("iterations", iterations),
        "learning_rate": positive("learning_rate", learning_rate),
        "initial_const": _FIRST_CONSTANT,
        # Early abortion would depend on the other images of the batch.
        "abort_early": False,
    }
    return nearest_of_target(load("carlini_wagner_l2"), model, images, targets, **settings)


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    values = settings.cw_l2
    return {
        "search_steps": values.search_steps,
        "iterations": values.iterations,
        "learning_rate": values.learning_rate,
    }


def deidentify(context: Context, **parameters: Any) -> Tensor:
    """Apply `cw_l2` to the images of `context`."""
    return cw_l2(context.model, context.images, context.targets, **parameters)

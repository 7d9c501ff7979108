"""adv-lib's attacks that look for the smallest L2 at which a model takes an image for its target."""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from pfgvm.attacks.common.arguments import checked_images, checked_targets
from pfgvm.attacks.common.gradient import Model, logits_of, loss_gradient
from pfgvm.errors import InputError


def load(name: str) -> Callable[..., Tensor]:
    """The attack `name` of `adv_lib.attacks`. Raises InputError where adv-lib is not installed."""
    # Its optional log imports a plotting server, which no attack needs and whose source no longer builds.
    stand_in = ModuleType("visdom")
    missing = sys.modules.setdefault("visdom", stand_in) is stand_in
    try:
        return getattr(importlib.import_module("adv_lib.attacks"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "adv_lib":
            raise
        raise InputError(
            f"{name} needs adv-lib, which is not installed; `make setup` installs it, and elsewhere "
            "`pip install --no-deps adv-lib==0.2.8`"
        ) from None
    finally:
        if missing:
            del sys.modules["visdom"]


def nearest_of_target(
    attack: Callable[..., Tensor], model: Model, images: Tensor, targets: Tensor, **settings: Any
) -> Tensor:
    """The nearest images at which `attack` found that `model` takes them for `targets`; without success, `images`.

    attack: called as adv-lib's are, with a function from images to logits, images, targets and targeted=True.
    The other arguments, and what happens to the model, are as in `loss_gradient`.
    Returns images like `images`. Raises InputError for arguments that are none of this.
    """
    x = checked_images(images)
    ỹ = checked_targets(targets, x)
    with loss_gradient(model, ỹ) as gradient:
        # One gradient ahead refuses a model that cannot be attacked: some attacks would go on without one.
        gradient(x)
    if not len(x):
        return x.clone()
    # In rows, since FMN projects a view, which in another order of memory would be a copy. In float32 at least, since
    # 1e-8, which C&W divides by, is 0 in float16.
    start = x.to(torch.promote_types(x.dtype, torch.float32)).contiguous()
    with logits_of(model, ỹ) as logits_at, torch.enable_grad():

        def logits(x_adv: Tensor) -> Tensor:
            # At the precision of the result, so that no rounding afterwards misses the target.
            return logits_at(x_adv.to(x.dtype)).to(x.device)

        found = attack(logits, start, ỹ, targeted=True, **settings)
    return found.detach().to(x.dtype)

"""Targeted minimum-norm attacks of adv-lib."""

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
    """Return the attack `name` of `adv_lib.attacks`. Raises InputError if adv-lib is not installed."""
    # adv-lib imports visdom, a plotting server, for its optional log. No attack needs it, and it no longer builds.
    stand_in = ModuleType("visdom")
    missing = sys.modules.setdefault("visdom", stand_in) is stand_in
    try:
        return getattr(importlib.import_module("adv_lib.attacks"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "adv_lib":
            raise
        raise InputError(
            f"{name} needs adv-lib, which is not installed; run `make setup`, or elsewhere "
            "`pip install --no-deps adv-lib==0.2.8`"
        ) from None
    finally:
        if missing:
            del sys.modules["visdom"]


def nearest_of_target(
    attack: Callable[..., Tensor], model: Model, images: Tensor, targets: Tensor, **settings: Any
) -> Tensor:
    """Adversarial images of the smallest L2 norm that `attack` reaches for `targets`; where it fails, `images`.

    attack: has adv-lib's signature: a function from images to logits, images, targets, targeted=True.
    The other arguments, and the treatment of the model, are as in `loss_gradient`.
    Returns x̃, like `images`. Raises InputError for invalid arguments.
    """
    x = checked_images(images)
    y_target = checked_targets(targets, x)
    with loss_gradient(model, y_target) as gradient:
        # Rejects a model without gradients up front: some attacks would silently continue.
        gradient(x)
    if not len(x):
        return x.clone()
    # Contiguous: FMN projects a view in place, which would be a copy in another memory format.
    # At least float32: C&W divides by 1e-8, which is 0 in float16.
    start = x.to(torch.promote_types(x.dtype, torch.float32)).contiguous()
    with logits_of(model, y_target) as logits_at, torch.enable_grad():

        def logits(x_adv: Tensor) -> Tensor:
            # At the result's precision: rounding afterwards could lose the target.
            return logits_at(x_adv.to(x.dtype)).to(x.device)

        adversarial_images = attack(logits, start, y_target, targeted=True, **settings)
    return adversarial_images.detach().to(x.dtype)

"""Models A and B arranged so that attacks on them run faster; asked for, never done behind a caller's back."""

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from pfgvm.errors import InputError
from pfgvm.models.target_models import Recipe

_FUSIBLE: tuple[tuple[type[nn.Module], type[nn.Module], Callable[[Any, Any], nn.Module]], ...] = (
    (nn.Conv2d, nn.BatchNorm2d, fuse_conv_bn_eval),
    (nn.Linear, nn.BatchNorm1d, fuse_linear_bn_eval),
)
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def fused_for_attack(model: nn.Module) -> nn.Module:
    """An equal model that attacks differentiate faster: `model` in eval mode, its weights copied and frozen.

    Batch normalization is folded into the convolution or linear layer before it, and convolutions run with the channels
    innermost (channels_last). Logits and gradients agree with those of `model` up to rounding; `model` stays as it was.

    model: what `model_a` or `model_b` gave, trained or not. Raises InputError for any other: whatever was changed in it
    (a layer, a hook, a parametrization, a wrapper) might be lost. The attacks themselves take any model.
    """
    if problem := _difference(model):
        raise InputError(
            f"fused_for_attack takes a model of model_a or model_b as they build it; in this one {problem}. "
            "Give the model itself to the attack, which takes any"
        )
    fused = copy.deepcopy(model).eval().requires_grad_(False)
    for module in fused.modules():
        if isinstance(module, nn.Sequential):
            _fold(module)
    return fused.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # in torch, not in its types


def _fold(sequence: nn.Sequential) -> None:
    for (name, layer), (norm_name, norm) in pairwise(list(sequence.named_children())):
        for layer_kind, norm_kind, fuse in _FUSIBLE:
            if isinstance(layer, layer_kind) and isinstance(norm, norm_kind):
                setattr(sequence, name, fuse(layer, norm).requires_grad_(False))
                setattr(sequence, norm_name, nn.Identity())


def _difference(model: nn.Module) -> str | None:
    """In words, what `model` has that its recipe does not give; None where there is nothing."""
    recipe = vars(model).get("recipe")
    if not isinstance(recipe, Recipe):
        return "there is no recipe of theirs"
    with torch.device("meta"):
        built = recipe.build()
    ours, theirs = dict(model.named_modules()), dict(built.named_modules())
    if changed := ours.keys() ^ theirs.keys():
        return f"the layers {', '.join(sorted(changed))} are new or missing"
    for name, layer in ours.items():
        like = theirs[name]
        where = f"the layer {name}" if name else "the model"
        if type(layer) is not type(like) or layer.extra_repr() != like.extra_repr() or "forward" in vars(layer):
            return f"{where} is another one"
        if any(getattr(layer, hooks) for hooks in _HOOKS):
            return f"{where} has hooks"
        if _shapes(layer) != _shapes(like):
            return f"{where} has other weights"
    return None


def _shapes(layer: nn.Module) -> dict[str, torch.Size | None]:
    held = {**layer._parameters, **layer._buffers}
    return {name: None if value is None else value.shape for name, value in held.items()}

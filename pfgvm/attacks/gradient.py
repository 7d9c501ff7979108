"""What the attacks share: the gradient of the adversarial loss, on a copy of the model made for it."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

Model = Callable[[Tensor], Tensor]

_FUSIBLE = (
    (nn.Conv2d, nn.BatchNorm2d, fuse_conv_bn_eval),
    (nn.Linear, nn.BatchNorm1d, fuse_linear_bn_eval),
)


def loss_gradient(model: Model, images: Tensor, targets: Tensor) -> Tensor:
    """∇ₓℓ(x, ỹ): the gradient of each image's own cross-entropy against its target class.

    images: (B, 3, H, W) in [0, 1]; targets: (B,) class indices; returns (B, 3, H, W). The losses are summed, never
    averaged, so that an image's gradient does not shrink with the batch.
    """
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        loss = nn.functional.cross_entropy(model(images), targets, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, images)
    return gradient


def for_attack(model: Model) -> Model:
    """`model` as it is at evaluation, made quick to differentiate by its input.

    Batch normalisation is folded into the layer before it, dropout left out, no parameter asks for a gradient, and
    images enter with their channels innermost. The caller's model stays as it was; all but the folded weights is shared
    with it. A plain function is returned as is.
    """
    if not isinstance(model, nn.Module):
        return model
    with torch.no_grad():
        return nn.Sequential(_ChannelsLast(), _folded(model))


class _ChannelsLast(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.contiguous(memory_format=torch.channels_last)


def _folded(module: nn.Module) -> nn.Module:
    twin = copy.copy(module)
    twin.training = False
    twin._parameters = {name: None if value is None else value.detach() for name, value in module._parameters.items()}
    children = {name: child for name, child in module._modules.items()}
    if type(module) is nn.Sequential:
        children = _fused_pairs(children)
    twin._modules = {name: _folded(child) for name, child in children.items()}
    return twin


def _fused_pairs(children: dict[str, nn.Module]) -> dict[str, nn.Module]:
    fused: dict[str, nn.Module] = {}
    for name, child in children.items():
        previous = next(reversed(fused), None)
        if both := _fuse(fused.get(previous), child):
            fused[previous] = both
        elif not isinstance(child, nn.Dropout):
            fused[name] = child
    return fused


def _fuse(layer: nn.Module | None, norm: nn.Module) -> nn.Module | None:
    for layer_kind, norm_kind, fuse in _FUSIBLE:
        if isinstance(layer, layer_kind) and isinstance(norm, norm_kind):
            layer, norm = copy.copy(layer), copy.copy(norm)
            layer.training = norm.training = False
            return fuse(layer, norm)
    return None

"""Twins of a model: the same function of the same weights, arranged so that it is computed faster."""

import copy
import math
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from pfgvm.convolutions import subpixel, winograd

Model = Callable[[Tensor], Tensor]
Layers = dict[str, nn.Module]

_FUSIBLE = (
    (nn.Conv2d, nn.BatchNorm2d, fuse_conv_bn_eval),
    (nn.Linear, nn.BatchNorm1d, fuse_linear_bn_eval),
)
# Layers whose output nobody reads again: not the layer's own gradient, nor another layer.
_OVERWRITABLE = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.MaxPool2d)

# Two images of 218 x 178.
_PIXELS_AT_A_TIME = 80_000


def for_training(model: nn.Module) -> nn.Module:
    """A twin of `model` that trains its weights and running statistics, to the same values.

    In plain sequences of layers ReLU comes after the max-pooling that followed it (they commute, gradients too, and the
    pooled maps are a fraction of the size) and overwrites its input.
    """
    return _twin(model, (_pooled_first, _in_place), lambda layer: None)


def for_attack(model: Model) -> Model:
    """A twin of `model` as it is at evaluation, quick to differentiate by its input and by nothing else.

    As `for_training`; besides, batch normalisation is folded into the layer before it, dropout left out, no parameter
    asks for a gradient, and convolutions work with the channels innermost. On a CPU some are computed as in
    `pfgvm.convolutions`, and images pass a few at a time through what comes before a flattening. `model` stays as it
    was. A plain function is returned as is.
    """
    if not isinstance(model, nn.Module):
        return model
    with torch.no_grad():
        return _twin(model, (_pooled_first, _folded, _in_place, _convolved_sooner, _few_at_a_time), _freeze)


class _FewAtATime(nn.Sequential):
    # The maps of few images stay in a CPU's caches, and their memory with the process: glibc gives every tensor above
    # 32 MB back to the kernel, which clears it anew.
    def forward(self, images: Tensor) -> Tensor:
        if images.device.type != "cpu":
            return super().forward(images)
        few = images.split(max(1, _PIXELS_AT_A_TIME // math.prod(images.shape[2:])))
        return torch.cat([nn.Sequential.forward(self, some) for some in few])


def _twin(
    module: nn.Module, steps: tuple[Callable[[Layers], Layers], ...], change: Callable[[nn.Module], None]
) -> nn.Module:
    twin = copy.copy(module)
    change(twin)
    layers = {name: _twin(child, steps, change) for name, child in module._modules.items()}
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        for step in steps:
            layers = step(layers)
    twin._modules = layers
    return twin


def _freeze(layer: nn.Module) -> None:
    layer.training = False
    layer._parameters = {name: _frozen(value) for name, value in layer._parameters.items()}


def _frozen(parameter: nn.Parameter | None) -> Tensor | None:
    if parameter is None:
        return None
    # A convolution takes its weights' layout for its input and output.
    layout = torch.channels_last if parameter.dim() == 4 else torch.contiguous_format
    return parameter.detach().contiguous(memory_format=layout)


def _pooled_first(layers: Layers) -> Layers:
    ordered: list[tuple[str, nn.Module]] = []
    for name, layer in layers.items():
        swap = isinstance(layer, nn.MaxPool2d) and not layer.return_indices
        behind = bool(ordered) and isinstance(ordered[-1][1], nn.ReLU)
        ordered.insert(len(ordered) - (swap and behind), (name, layer))
    return dict(ordered)


def _folded(layers: Layers) -> Layers:
    folded: Layers = {}
    for name, layer in layers.items():
        previous = next(reversed(folded), None)
        if both := _fuse(folded.get(previous), layer):
            folded[previous] = both
        elif not isinstance(layer, nn.Dropout):
            folded[name] = layer
    return folded


def _fuse(layer: nn.Module | None, norm: nn.Module) -> nn.Module | None:
    for layer_kind, norm_kind, fuse in _FUSIBLE:
        if isinstance(layer, layer_kind) and isinstance(norm, norm_kind):
            return fuse(layer, norm)
    return None


def _in_place(layers: Layers) -> Layers:
    previous = None
    for layer in layers.values():
        if isinstance(layer, nn.ReLU) and isinstance(previous, _OVERWRITABLE):
            layer.inplace = True
        previous = layer
    return layers


def _convolved_sooner(layers: Layers) -> Layers:
    for name, layer in layers.items():
        if subpixel.serves(layer):
            layers[name] = subpixel.FewChannels(layer)
        elif winograd.serves(layer):
            layers[name] = winograd.ManyChannels(layer)
    return layers


def _few_at_a_time(layers: Layers) -> Layers:
    names = list(layers)
    flat = next((i for i, name in enumerate(names) if isinstance(layers[name], nn.Flatten)), 0)
    if not flat:
        return layers
    maps = OrderedDict((name, layers.pop(name)) for name in names[:flat])
    return {"maps": _FewAtATime(maps), **layers}

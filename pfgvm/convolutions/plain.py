"""Which convolutions have nothing about them that another way of computing would have to heed."""

from torch import nn


def is_plain(layer: nn.Module) -> bool:
    """Whether `layer` is an nn.Conv2d on a CPU: of one group, not dilated, padded with zeros, without hooks.

    Hooks are of its own call, which another module in its place does not make.
    """
    return (
        type(layer) is nn.Conv2d
        and (layer.groups, layer.dilation, layer.padding_mode) == (1, (1, 1), "zeros")
        and layer.weight.device.type == "cpu"
        and not (layer._forward_pre_hooks or layer._forward_hooks)
    )

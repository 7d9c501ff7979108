"""A device without float64, like Apple's MPS: it computes on the CPU, but raises MPS's errors.

Its tensors are on a device of another name, so that a tensor left on the CPU is an error as well. The device exists
until the end of the process.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("single")
DEVICE = torch.device("single:0")
# Otherwise Module.to(memory_format=…) would convert the outer tensor of a parameter only, not its values.
torch.__future__.set_swap_module_params_on_conversion(True)


class OnDevice(Tensor):
    """A tensor on DEVICE; `values` is its data, on the CPU."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> "OnDevice":
        if values.dtype == torch.float64:
            raise TypeError("Cannot convert a tensor to float64: this device does not support it")
        made = Tensor._make_wrapper_subclass(
            cls, values.shape, strides=values.stride(), dtype=values.dtype, device=DEVICE
        )
        made.values = values
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _computed(function, args, kwargs or {})

    def tolist(self) -> Any:
        return self.values.tolist()


# torch.tensor calls these below any dispatch mode.
@torch.library.impl("aten::empty_strided", "PrivateUse1")
def _empty(size: list[int], stride: list[int], dtype: torch.dtype | None = None, **_: Any) -> Tensor:
    return OnDevice(torch.empty_strided(size, stride, dtype=dtype))


@torch.library.impl("aten::_copy_from", "PrivateUse1")
def _copied(values: Tensor, into: OnDevice, non_blocking: bool = False) -> Tensor:
    into.values.copy_(values)
    return into


class Computes(TorchDispatchMode):
    """In this mode, tensors requested on DEVICE are created there."""

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _computed(function, args, kwargs or {})


def _computed(function: Any, args: tuple, kwargs: dict) -> Any:
    inputs = [value for value in tree_leaves((args, kwargs)) if isinstance(value, OnDevice)]
    asked = kwargs.get("device")
    on_device = bool(inputs) if asked is None else torch.device(asked).type == DEVICE.type
    if asked is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    args, kwargs = tree_map(lambda value: value.values if isinstance(value, OnDevice) else value, (args, kwargs))
    result = function(*args, **kwargs)
    if not on_device:
        return result
    # In-place functions return their input.
    by_id = {id(value.values): value for value in inputs}

    def on_it(value: Any) -> Any:
        if type(value) is not Tensor:
            return value
        return by_id[id(value)] if id(value) in by_id else OnDevice(value)

    return tree_map(on_it, result)

"""A device that, as Apple's MPS, has no float64: it computes on the CPU, but refuses what MPS refuses.

Its tensors lie on a device of another name, so that one that is forgotten on the way is an error as well. A process
that loads this module keeps the device until it ends.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("single")
DEVICE = torch.device("single:0")
# Module.to(memory_format=…) would else convert the outer tensor of a parameter and leave its numbers as they were.
torch.__future__.set_swap_module_params_on_conversion(True)


class OnDevice(Tensor):
    """A tensor that says it lies on DEVICE; `values` are its numbers, on the CPU."""

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


# torch.tensor asks for these beneath any mode.
@torch.library.impl("aten::empty_strided", "PrivateUse1")
def _empty(size: list[int], stride: list[int], dtype: torch.dtype | None = None, **_: Any) -> Tensor:
    return OnDevice(torch.empty_strided(size, stride, dtype=dtype))


@torch.library.impl("aten::_copy_from", "PrivateUse1")
def _copied(values: Tensor, into: OnDevice, non_blocking: bool = False) -> Tensor:
    into.values.copy_(values)
    return into


class Computes(TorchDispatchMode):
    """Inside it, whatever is asked for on DEVICE is made there."""

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _computed(function, args, kwargs or {})


def _computed(function: Any, args: tuple, kwargs: dict) -> Any:
    given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, OnDevice)]
    asked = kwargs.get("device")
    on_device = bool(given) if asked is None else torch.device(asked).type == DEVICE.type
    if asked is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    args, kwargs = tree_map(lambda value: value.values if isinstance(value, OnDevice) else value, (args, kwargs))
    found = function(*args, **kwargs)
    if not on_device:
        return found
    # What works in place gives what it was given.
    known = {id(value.values): value for value in given}

    def on_it(value: Any) -> Any:
        if type(value) is not Tensor:
            return value
        return known[id(value)] if id(value) in known else OnDevice(value)

    return tree_map(on_it, found)

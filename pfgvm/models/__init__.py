"""The target models of Table 1 and how they run: descriptors, training, batches, the device.

The public names are loaded when they are first asked for, so that a program which reads a training record need not
wait for PyTorch.
"""

from importlib import import_module
from typing import Any

_HOMES = {"model_a": "target_models", "model_b": "target_models"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)

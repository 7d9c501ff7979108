"""The target models of Table 1, their descriptors, training, batching and device.

The public names are imported on first access, so that reading a training record does not import PyTorch.
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

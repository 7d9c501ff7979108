"""Choice and description of the compute device."""

import platform

import torch

from pfgvm.errors import InputError


def choose_device(name: str) -> torch.device:
    """Device of the setting `device`; `auto` selects CUDA, then Apple's MPS, then the CPU.

    Raises InputError if the device is not available.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, is_available in available.items() if is_available)
    if not available[name]:
        raise InputError(f"device: {name} is not available on this machine; set device to auto or cpu")
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """Description of the device, such as `cuda: NVIDIA H200`."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def versions() -> dict[str, str]:
    """Versions of Python and torch, and the operating system."""
    return {"python": platform.python_version(), "torch": torch.__version__, "system": platform.system()}

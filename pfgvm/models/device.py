"""The device that computes: its choice, and what is said of it in the report."""

import platform

import torch

from pfgvm.errors import InputError


def choose_device(name: str) -> torch.device:
    """The device that the setting `device` names; `auto` takes CUDA, then Apple's MPS, then the CPU.

    Raises InputError where the named device is absent.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    if not present[name]:
        raise InputError(f"device: {name} is not available on this machine; set device to auto or cpu")
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """The device in words, such as `cuda: NVIDIA H200`."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def versions() -> dict[str, str]:
    """Versions of what computes: Python, torch and the operating system."""
    return {"python": platform.python_version(), "torch": torch.__version__, "system": platform.system()}

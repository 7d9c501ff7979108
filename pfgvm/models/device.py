"""The machine's arithmetic: which device computes, and what is said of it in the report."""

import contextlib
import ctypes
import os
import platform

import torch

from pfgvm.errors import InputError

# malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def configure_device(name: str, precision: str = "float32") -> torch.device:
    """The device that the setting `device` names; `auto` takes CUDA, then Apple's MPS, then the CPU.

    Also asks torch for deterministic algorithms, so that two runs give the same digits, and the C library to keep the
    memory that it was given.
    precision: of convolutions and matrix products: `float32`, or on CUDA `tf32` (10 bits of mantissa).
    Raises InputError where the named device is absent, or does not have that precision.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    if not present[name]:
        raise InputError(f"device: {name} is not available on this machine; set device to auto or cpu")
    if precision == "tf32" and name != "cuda":
        raise InputError(f"attack.precision: {name} does not compute in tf32; set it to float32")
    # cuBLAS is deterministic only with a workspace of fixed size, which it reads here when it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # As use_deterministic_algorithms, which first imports a compiler for a second.
    torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a debugging aid: writes every tensor twice
    torch.backends.cudnn.benchmark = False
    for operations in (torch.backends.cuda.matmul, torch.backends.cudnn.conv):  # type: ignore[attr-defined]
        operations.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    for operations in (torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv):  # type: ignore[attr-defined]
        operations.fp32_precision = "ieee"
    keep_memory()
    return torch.device(name)


def keep_memory() -> None:
    """Ask the C library to keep, until the process ends, the memory that it was given.

    glibc gives each large tensor's memory back to the kernel, which clears it page by page for the next one. Other C
    libraries have no such function, and are left as they are.
    """
    with contextlib.suppress(AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def device_name(device: torch.device) -> str:
    """The device in words, such as `cuda: NVIDIA H200`."""
    return f"cuda: {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def versions() -> dict[str, str]:
    """Versions of what computes: Python, torch and the operating system."""
    return {"python": platform.python_version(), "torch": torch.__version__, "system": platform.system()}

"""Process-wide setup of a program for computing: deterministic float32, and memory that is reused.

For programs only: a library must not change its caller's process.
"""

import contextlib
import ctypes
import os

import torch

from pfgvm.models.device import choose_device

# malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def configure_device(name: str) -> torch.device:
    """Set this process up for the device of the setting `device` (see `choose_device`), and return the device."""
    device = choose_device(name)
    # cuBLAS is deterministic only with a workspace of fixed size; it reads this variable at its start.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Equals use_deterministic_algorithms, which spends a second on importing a compiler.
    torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a debugging aid: writes every tensor twice
    torch.backends.cudnn.benchmark = False
    # By default, convolutions alone compute in TensorFloat-32 (10 bits of mantissa).
    torch.backends.cudnn.allow_tf32 = False
    keep_memory()
    return device


def keep_memory() -> None:
    """Make glibc reuse freed memory instead of returning it to the kernel, until the process ends.

    By default glibc returns each large tensor's memory, and the kernel clears it page by page for the next one. Other
    C libraries lack the function and stay as they are.
    """
    with contextlib.suppress(AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)

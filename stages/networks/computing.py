"""A program's own process, set up to compute: the same digits in every run, in float32, from memory that it keeps.

For programs alone: all of this holds for the whole process, and a library must leave its caller's process as it is.
"""

import contextlib
import ctypes
import os

import torch

from pfgvm.models.device import choose_device

# malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def configure_device(name: str) -> torch.device:
    """The device that the setting `device` names (see `choose_device`), for which this process is then set up."""
    device = choose_device(name)
    # cuBLAS is deterministic only with a workspace of fixed size, which it reads here when it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # As use_deterministic_algorithms, which first imports a compiler for a second.
    torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a debugging aid: writes every tensor twice
    torch.backends.cudnn.benchmark = False
    # Convolutions alone compute in TensorFloat-32 (10 bits of mantissa) unless told not to.
    torch.backends.cudnn.allow_tf32 = False
    keep_memory()
    return device


def keep_memory() -> None:
    """Ask the C library to keep, until the process ends, the memory that it was given.

    glibc gives each large tensor's memory back to the kernel, which clears it page by page for the next one. Other C
    libraries have no such function, and are left as they are.
    """
    with contextlib.suppress(AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)

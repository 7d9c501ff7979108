"""The machine at hand, in words: what a measurement holds for."""

import os
import platform
import re
from pathlib import Path

import torch


def described() -> dict[str, str | int]:
    """Processor, number of cores that this process may use, GPU, and the versions of what computes."""
    cuda = torch.cuda.is_available()
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "gpu": torch.cuda.get_device_name() if cuda else "none",
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def slug(machine: dict[str, str | int]) -> str:
    """A file name for `machine`, such as `intel-xeon-2-cores`."""
    words = f"{machine['cpu']} {machine['cores']} cores"
    if machine["gpu"] != "none":
        words += f" {machine['gpu']}"
    words = re.sub(r"\((R|TM)\)|Processor|CPU|@.*?GHz", " ", words)
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return " ".join((found[1] if found else platform.processor() or platform.machine()).split())

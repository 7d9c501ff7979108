"""The description of the machine of a measurement."""

import os
import platform
import re
from pathlib import Path

import torch


def described() -> dict[str, str | int]:
    """Describe the processor, the cores usable by this process, GPU, operating system, Python and PyTorch."""
    cpuinfo = Path("/proc/cpuinfo")
    return {
        "cpu": processor(cpuinfo.read_text() if cpuinfo.exists() else "") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def processor(cpuinfo: str) -> str:
    """Parse the first processor's name in the text of Linux's /proc/cpuinfo; "" without one.

    Family and model follow the name, since clouds give processors of several generations the same name.
    """
    lines = (line.partition(":") for line in cpuinfo.partition("\n\n")[0].splitlines())
    fields = {key.strip(): " ".join(value.split()) for key, _, value in lines}
    number = f" (family {fields['cpu family']}, model {fields['model']})" if "cpu family" in fields else ""
    return fields.get("model name", "") + number


def slug(machine: dict[str, str | int]) -> str:
    """Build a file name from the output of `described`, such as `intel-xeon-2-cores`."""
    words = f"{machine['cpu']} {machine['cores']} cores {machine['gpu']}".removesuffix(" none")
    words = re.sub(r"\((R|TM)\)|Processor|CPU|@.*?GHz", " ", words)
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")

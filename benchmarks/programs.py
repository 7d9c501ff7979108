"""What a whole Python program takes, imports included."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.subjects import ROOT

# From a small process: to Linux a child's peak is at least what its parent held.
_MEASURED = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def measured(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Seconds and peak resident memory in MB of the Python program `arguments`, run in `folder`.

    Raises CalledProcessError when it fails.
    """
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    seconds, peak = done.stdout.split()[-2:]
    return float(seconds), megabytes(int(peak))


def megabytes(maxrss: int) -> float:
    """What getrusage calls ru_maxrss, in MB: Linux counts in kilobytes, macOS in bytes."""
    return maxrss / (1e6 if sys.platform == "darwin" else 1e3)

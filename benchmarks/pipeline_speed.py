"""The pipeline as a whole: made anew, and with nothing to do."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measurement import Measurement, seconds
from benchmarks.workloads import ROOT


def bundled_run() -> Iterator[Measurement]:
    """`dvc repro` of the committed state in a fresh clone, then again with nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), folder], check=True)
        yield Measurement(
            row="dvc repro, bundled faces, cpu",
            what="8 persons x 20 faces, 64 attacked; every stage",
            unit="s",
            ours=[seconds(lambda: _repro(Path(folder), "--force"))],
            goal=480,
            checks={"peak memory of a stage, MB": _peak_mb()},
        )
        yield Measurement(
            row="dvc repro with nothing to do",
            what="after the run above",
            unit="s",
            ours=[seconds(lambda: _repro(Path(folder))) for _ in range(5)],
        )


def _repro(folder: Path, *options: str) -> None:
    """Run `dvc repro` in `folder`, its stages in this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "dvc", "repro", *options]
    subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, check=True, stdout=subprocess.DEVNULL)


def _peak_mb() -> float:
    """The peak resident memory of the largest process that this one, or one of its children, has started."""
    # Linux counts in kilobytes, macOS in bytes.
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)

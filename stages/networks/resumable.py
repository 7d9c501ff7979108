"""Output written batch by batch: a killed run resumes, and several jobs share one stage."""

import hashlib
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import torch

import pfgvm.models
from stages.common.files import atomic_write
from stages.networks.progress import reported

T = TypeVar("T")
# Modules on which no result depends: checks of settings, waiting of threads, progress.
_CHECKS = ("pfgvm.settings", "pfgvm.errors", "stages", "stages.networks.progress")


class Shard:
    """One of several jobs that share one output, written `2-of-4`; `1-of-1` is the whole output."""

    def __init__(self, text: str) -> None:
        numbers = re.fullmatch(r"([1-9]\d*)-of-([1-9]\d*)", text)
        if not numbers or int(numbers[1]) > int(numbers[2]):
            raise ValueError(f"{text!r} is not a shard; write one such as 2-of-4")
        self.number, self.count = int(numbers[1]), int(numbers[2])

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Select this job's share of `items`; the shards' shares are disjoint and cover all items."""
        return items[self.number - 1 :: self.count]


WHOLE = Shard("1-of-1")


def fingerprint(inputs: Iterable[Path], *values: object) -> str:
    """Hash everything that a batch depends on: the contents of `inputs`, the `values` and the running code.

    values: only those that affect the batch, so that another method's settings leave the key unchanged. The code is
    that of all loaded modules of the project and of all models.
    """
    digest = hashlib.sha256(repr((torch.__version__, values)).encode())
    for path in (*_code(), *inputs):
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _code() -> list[Path]:
    files = {
        getattr(module, "__file__", None)
        for name, module in sys.modules.items()
        if name.split(".")[0] in ("__main__", "pfgvm", "stages") and name not in _CHECKS
    }
    # All models: a descriptor's module is loaded with its model, after the first fingerprint.
    return sorted({Path(file) for file in files if file} | set(Path(pfgvm.models.__file__).parent.glob("*.py")))


def write_in_batches(
    out: Path, header: bytes, parts: Iterable[slice], make: Callable[[slice], bytes], *, key: str, shard: Shard
) -> None:
    """Write `header` and the bytes that `make` returns for each batch of `parts` to `out`.

    Finished batches are stored next to `out` under `key` (see `fingerprint`) until `out` is complete, and are reused.
    One batch is in memory at a time. A shard computes its share of the batches only; `out` is written by the run
    without a shard.
    """
    numbered = list(enumerate(parts))
    folder = out.with_name(f".{out.name}.batches")
    share = shard.share(numbered)
    to_make = [(number, batch) for number, batch in share if not (folder / key / str(number)).exists()]
    done = len(share) - len(to_make)
    for number, batch in reported(to_make, str(out), "batches", total=len(share), done=done):
        with atomic_write(folder / key / str(number)) as partial:
            partial.write_bytes(make(batch))
    if shard.count > 1:
        return
    with atomic_write(out) as partial, open(partial, "wb") as file:
        file.write(header)
        for number, _ in numbered:
            file.write((folder / key / str(number)).read_bytes())
    shutil.rmtree(folder, ignore_errors=True)

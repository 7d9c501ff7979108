"""Output made batch by batch, so that nothing is done twice: not after a kill, nor by the other jobs of one stage."""

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
# They check what users give, say how threads wait, and how far a program is; no result follows from them.
_CHECKS = ("pfgvm.settings", "pfgvm.errors", "stages", "stages.networks.progress")


class Shard:
    """One of several jobs that make one output together, written `2-of-4`; `1-of-1` is the whole of it."""

    def __init__(self, text: str) -> None:
        found = re.fullmatch(r"([1-9]\d*)-of-([1-9]\d*)", text)
        if not found or int(found[1]) > int(found[2]):
            raise ValueError(f"{text!r} is no shard; write one such as 2-of-4")
        self.number, self.count = int(found[1]), int(found[2])

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This job's share of `items`; the shards' shares are disjoint and together all of them."""
        return items[self.number - 1 :: self.count]


WHOLE = Shard("1-of-1")


def fingerprint(inputs: Iterable[Path], *values: object) -> str:
    """A name for all that a batch follows from: the contents of `inputs`, `values`, and the code that runs.

    values: only what the batch is made with, so that a setting of another method keeps it. The code is that of the
    modules that the program has loaded, and of all models.
    """
    digest = hashlib.sha256(repr((torch.__version__, values)).encode())
    for path in (*_code(), *inputs):
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _code() -> list[Path]:
    ours = {
        getattr(module, "__file__", None)
        for name, module in sys.modules.items()
        if name.split(".")[0] in ("__main__", "pfgvm", "stages") and name not in _CHECKS
    }
    # A descriptor is loaded with the model that stands on it, after the first fingerprint is taken.
    return sorted({Path(file) for file in ours if file} | set(Path(pfgvm.models.__file__).parent.glob("*.py")))


def write_in_batches(
    out: Path, header: bytes, parts: Iterable[slice], make: Callable[[slice], bytes], *, key: str, shard: Shard
) -> None:
    """Write `out`: `header`, then what `make` gives for each batch of `parts`, one batch in memory at a time.

    A finished batch is kept beside `out` under `key` (see `fingerprint`) until
    `out` is whole, and is not made again. A shard of several makes its share of the batches and leaves `out` to the run
    without a shard.
    """
    numbered = list(enumerate(parts))
    kept = out.with_name(f".{out.name}.batches")
    share = shard.share(numbered)
    to_make = [(number, batch) for number, batch in share if not (kept / key / str(number)).exists()]
    done = len(share) - len(to_make)
    for number, batch in reported(to_make, str(out), "batches", total=len(share), done=done):
        with atomic_write(kept / key / str(number)) as partial:
            partial.write_bytes(make(batch))
    if shard.count > 1:
        return
    with atomic_write(out) as partial, open(partial, "wb") as file:
        file.write(header)
        for number, _ in numbered:
            file.write((kept / key / str(number)).read_bytes())
    shutil.rmtree(kept, ignore_errors=True)

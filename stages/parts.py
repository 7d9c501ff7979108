"""Work kept part by part, so that nothing is done twice: not after a kill, nor by the other jobs of one stage."""

import hashlib
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from pfgvm.batches import batches
from stages.io import write_whole


class Shard:
    """One of several jobs that make one output together, written `2-of-4`; `1-of-1` is the whole of it."""

    def __init__(self, text: str) -> None:
        found = re.fullmatch(r"([1-9]\d*)-of-([1-9]\d*)", text)
        if not found or int(found[1]) > int(found[2]):
            raise ValueError(f"{text!r} is no shard; write one such as 2-of-4")
        self.number, self.count = int(found[1]), int(found[2])

    def share(self, parts: Sequence) -> Sequence:
        """This job's share of `parts`; the shards' shares are disjoint and together all of them."""
        return parts[self.number - 1 :: self.count]


WHOLE = Shard("1-of-1")


def fingerprint(inputs: Iterable[Path], *values: object) -> str:
    """A name for all that a part's bytes follow from: the contents of `inputs`, `values`, and the code that runs."""
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] in ("__main__", "pfgvm", "stages")]
    code = sorted(Path(module.__file__) for module in modules if getattr(module, "__file__", None))
    digest = hashlib.sha256(repr((torch.__version__, values)).encode())
    for path in (*code, *inputs):
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def write_in_parts(
    out: Path, header: bytes, count: int, batch_size: int, make: Callable[[slice], bytes], key: str, shard: Shard
) -> None:
    """Write `out`: `header`, then what `make` gives for each batch of `count` images, one batch in memory at a time.

    A finished batch is kept beside `out` under `key` (see `fingerprint`) until `out` is whole, and is not made again.
    A shard of several makes its share of the batches and leaves `out` to the run without a shard.
    """
    parts = list(enumerate(batches(count, batch_size)))
    kept = out.with_name(f".{out.name}.parts")
    for index, images in tqdm(shard.share(parts), desc=f"{out.parent.name} {out.stem}", unit="batch", disable=None):
        if not (kept / key / str(index)).exists():
            with write_whole(kept / key / str(index)) as partial:
                partial.write_bytes(make(images))
    if shard.count > 1:
        return
    with write_whole(out) as partial, open(partial, "wb") as file:
        file.write(header)
        for index, _ in parts:
            file.write((kept / key / str(index)).read_bytes())
    shutil.rmtree(kept)

"""Progress of a stage program on standard error: a bar on a terminal, otherwise a line every 30 seconds."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")
# Seconds before the first line and between two lines, so that a short program prints none.
PAUSE = 30


def reported(items: Iterable[T], what: str, unit: str, *, total: int, done: int = 0) -> Iterator[T]:
    """Yield the `items` and report the number done, of `total`, and the time left on standard error.

    what: the output file or folder. unit: the plural name of the items. done: the number of items finished by an
    earlier run.
    """
    # tqdm shows nothing on a pseudo-terminal without a width.
    if sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns:
        style: dict[str, Any] = {}
    else:
        style = {
            "file": _Lines(),
            "bar_format": "{desc}: {n_fmt} of {total_fmt}{unit}, {remaining} left",
            "mininterval": PAUSE,
            "miniters": 1,
            "delay": PAUSE,
            "leave": False,
        }
    yield from tqdm(items, desc=what, unit=f" {unit}", initial=done, total=total, **style)


class _Lines:
    """Standard error as a file for tqdm, with every state of the bar as a line of its own."""

    def write(self, text: str) -> None:
        if line := text.strip():
            print(line, file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Do nothing: every line is flushed as it is printed."""

"""The progress of a stage program on standard error: a bar on a terminal, elsewhere a line every half minute."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")
# Seconds between two lines, and before the first one: a short program prints none.
PAUSE = 30


def reported(items: Iterable[T], what: str, unit: str, *, total: int, done: int = 0) -> Iterator[T]:
    """The `items`, one by one, while standard error shows how many of `total` are done and the time left.

    what: the file or folder that the program writes. unit: the name of the items in the plural. done: the number of
    items that an earlier run finished.
    """
    # A pseudo-terminal may have no width, at which tqdm shows nothing.
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
    """Standard error as a file for tqdm: each state of the bar becomes a line of its own."""

    def write(self, text: str) -> None:
        if line := text.strip():
            print(line, file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Each line is flushed as it is printed."""

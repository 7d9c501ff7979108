"""How far a stage program is: a bar on a terminal, elsewhere a plain line now and then; tools/repro reads them."""

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

T = TypeVar("T")
# An environment variable: whoever sets it reads a line at every step, and needs no bar.
EVERY_STEP = "PFGVM_REPORT_EVERY_STEP"
# Seconds between two lines in a log.
PAUSE = 30
_LINE = re.compile(r".+: (\d+) of ([1-9]\d*) (\w+)(?:, .+ left)?")


def reported(items: Iterable[T], what: str, unit: str, *, total: int, done: int = 0) -> Iterator[T]:
    """The `items`, one by one, while standard error is told how many of `total` are done; `done` were before these.

    what: the file, folder or program that is at work. unit: their name in the plural.
    """
    every_step = EVERY_STEP in os.environ
    if not every_step and sys.stderr.isatty():
        # Not loaded where there is no terminal: programs that have nothing to do are over sooner than this is loaded.
        from tqdm import tqdm

        yield from tqdm(items, desc=what, unit=f" {unit}", initial=done, total=total)
        return
    before, started = done, time.monotonic()
    due = started + (0 if every_step else PAUSE)
    if every_step:
        print(f"{what}: {done} of {total} {unit}", file=sys.stderr)
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now >= due:
            due = now + (0 if every_step else PAUSE)
            left = (now - started) / (done - before) * (total - done)
            print(f"{what}: {done} of {total} {unit}" + (f", {time_left(left)}" if left else ""), file=sys.stderr)


class Count(NamedTuple):
    """What a line of `reported` says: so many of all are done."""

    done: int
    total: int
    unit: str


def read_line(line: str) -> Count | None:
    """The count in a `line` that `reported` has printed; None for any other line."""
    found = _LINE.fullmatch(line)
    return Count(int(found[1]), int(found[2]), found[3]) if found else None


def time_left(seconds: float) -> str:
    """So many seconds in words, such as `about 4 min left`: no more digits than a guess deserves."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than 1 min left"
    return f"about {minutes} min left" if minutes < 120 else f"about {round(minutes / 60)} h left"

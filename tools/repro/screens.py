"""Where a line of progress is shown, and everything else that there is to say: a terminal or a log."""

import os
import sys
import time

from stages.common.progress import PAUSE


class Terminal:
    """A line that stays in place, below all that is said."""

    def show(self, text: str, news: list[str]) -> None:
        """Put `text` in the place of what was shown; the `news` are part of it."""
        width = (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
        print(f"\r{text[:width]:{width}}", end="", file=sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Leave `line` on the screen for good."""
        self.show("", [])
        print(f"\r{line}", file=sys.stderr, flush=True)


class Log:
    """Whole lines, few of them."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def show(self, text: str, news: list[str]) -> None:
        """Print the `news`; after a long silence, `text`."""
        now = time.monotonic()
        for line in news or [text] * (now - self._last >= PAUSE):
            self.say(line)
            self._last = now

    def say(self, line: str) -> None:
        """Print `line`."""
        print(line, file=sys.stderr, flush=True)

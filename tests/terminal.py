"""A pseudo-terminal for programs under test."""

import codecs
import contextlib
import os
import signal
import subprocess
import termios
from collections.abc import Sequence
from pathlib import Path


class Terminal:
    """A program whose standard error is a terminal, as the leader of a process group as in a shell."""

    def __init__(
        self, command: Sequence[str], cwd: Path, environment: dict[str, str], size: tuple[int, int] = (0, 0)
    ) -> None:
        self._ours, theirs = os.openpty()
        termios.tcsetwinsize(theirs, size)
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
            start_new_session=True,
            preexec_fn=_reset_signals,
        )
        os.close(theirs)
        self.shown = ""
        self._decode = codecs.getincrementaldecoder("utf-8")().decode

    def read(self, until: str | None = None) -> str:
        """Read the terminal's text up to `until`, or to the end."""
        # On Linux, the end is an error.
        with contextlib.suppress(OSError):
            while (until is None or until not in self.shown) and (data := os.read(self._ours, 1000)):
                self.shown += self._decode(data)
        return self.shown

    @property
    def lines(self) -> list[str]:
        """The visible lines: text after a carriage return overwrites the text before it."""
        lines = []
        for line in self.shown.replace("\r\n", "\n").rstrip("\n").split("\n"):
            stands = ""
            for text in line.split("\r"):
                stands = text + stands[len(text) :]
            lines.append(stands.rstrip())
        return lines

    def end(self) -> tuple[int, str]:
        """Wait for the program's end; returns its exit status and standard output."""
        self.read()
        output, _ = self.process.communicate(timeout=60)
        os.close(self._ours)
        return self.process.returncode, output


def _reset_signals() -> None:
    """Reset the signals that nohup and background jobs ignore, also in child processes."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)

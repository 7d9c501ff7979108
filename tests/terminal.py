"""A terminal for the programs that tests run."""

import codecs
import contextlib
import os
import signal
import subprocess
import termios
from collections.abc import Sequence
from pathlib import Path


class Terminal:
    """A program whose standard error is a terminal, and which leads a process group as in a shell."""

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
            preexec_fn=_hear_signals,
        )
        os.close(theirs)
        self.shown = ""
        self._decode = codecs.getincrementaldecoder("utf-8")().decode

    def read(self, until: str | None = None) -> str:
        """What the terminal has been given until `until` was, or to the end."""
        # At the end, Linux calls it an error.
        with contextlib.suppress(OSError):
            while (until is None or until not in self.shown) and (data := os.read(self._ours, 1000)):
                self.shown += self._decode(data)
        return self.shown

    @property
    def lines(self) -> list[str]:
        """The lines that stand there: what follows a carriage return is written over what was before it."""
        lines = []
        for line in self.shown.replace("\r\n", "\n").rstrip("\n").split("\n"):
            stands = ""
            for text in line.split("\r"):
                stands = text + stands[len(text) :]
            lines.append(stands.rstrip())
        return lines

    def end(self) -> tuple[int, str]:
        """The exit status and the standard output, when the program is over."""
        self.read()
        output, _ = self.process.communicate(timeout=60)
        os.close(self._ours)
        return self.process.returncode, output


def _hear_signals() -> None:
    """A program started under nohup, or in a script's background, ignores these, and so does what it starts."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)

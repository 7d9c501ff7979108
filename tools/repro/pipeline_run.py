"""Where a run of the pipeline stands, from the lines that DVC and the stage programs print."""

import re
from collections.abc import Callable, Mapping, Sequence

from stages.common.progress import Count, read_line, time_left

_STARTS = re.compile(r"Running stage '(.+)':")
_PASSES = re.compile(r"Stage '(.+)' (?:didn't change, skipping|is cached - skipping run, checking out outputs)")
_SAVES = re.compile(r"(?:Updating|Generating) lock file .*")
# What else DVC prints while all is well, and its warning of a file that is empty by intent (data/README.md). Lines that
# are not here, of this DVC or another, are shown.
_CHATTER = re.compile(
    r"|> .*|'.*' didn't change, skipping|To track the changes with git, run:|\tgit add .*"
    r"|To enable auto staging, run:|\tdvc config core\.autostage true|Data and pipelines are up to date\."
    r"|Use `dvc push` to send your updates to remote storage\.|WARNING: 'data/installed-weights' is empty\."
)
# How much of what there is to do must be done before it says how fast this machine is.
_ENOUGH = 0.05


class PipelineRun:
    """A run of `stages`; empty where they are not known, and then there is no total and no time left.

    own: the seconds that stages took when they last ran on this machine. reference: on another one, which says how
    stages compare, but not how long they take here. keep: is given the seconds of each stage that has run.
    """

    def __init__(
        self,
        stages: Sequence[str],
        own: Mapping[str, float],
        reference: Mapping[str, float],
        keep: Callable[[str, float], None],
    ) -> None:
        self._news: list[str] = []
        self._to_come = dict.fromkeys(stages)
        self._total = len(stages)
        self._own, self._seconds, self._keep = own, {**reference, **own}, keep
        self._running: _Running | None = None
        self._ran = self._passed = 0
        # Of what has run: the seconds that it was expected to take, and those that it took.
        self._expected = self._taken = 0.0

    def read(self, line: str, now: float) -> bool:
        """Whether `line`, printed at the time `now`, is about progress alone; any other one is for the user."""
        if found := _STARTS.fullmatch(line):
            self._end(now)
            self._to_come.pop(found[1], None)
            self._running = _Running(found[1], now)
            self._news.append(self.text(now))
        elif found := _PASSES.fullmatch(line):
            self._end(now)
            self._to_come.pop(found[1], None)
            self._passed += 1
        elif _SAVES.fullmatch(line):
            self._end(now, saved=True)
        elif self._running and (count := read_line(line)):
            self._running.add(count)
        else:
            return bool(_CHATTER.fullmatch(line))
        return True

    def text(self, now: float) -> str:
        """The line of progress."""
        left = self.seconds_left(now)
        parts = [self._stages_done(), self._running and self._running.text(), left is not None and time_left(left)]
        return " · ".join(filter(None, parts))

    def news(self) -> list[str]:
        """The lines for a log since this was asked last: a stage starts, or has ended."""
        news, self._news = self._news, []
        return news

    def summary(self, now: float, succeeded: bool) -> str:
        """What there is to say when DVC has ended."""
        if not succeeded:
            return self._stages_done() + " · stopped" + (f" in {self._running.name}" if self._running else "")
        self._end(now)
        return f"{self._stages_done()} · {self._ran} run, {self._passed} were up to date"

    def seconds_left(self, now: float) -> float | None:
        """Those expected of all that is to come, scaled by how long it took here so far; None where nobody knows."""
        running, to_come = self._running, list(self._to_come)
        names = to_come + ([running.name] if running else [])
        if not self._total or not all(name in self._seconds for name in names):
            return None
        expected, taken = self._expected, self._taken
        after = sum(self._seconds[name] for name in to_come)
        whole = self._seconds[running.name] if running else 0.0
        if running and running.counts:
            expected += running.share_done_here * whole
            taken += now - running.started
        if expected > _ENOUGH * (self._expected + whole + after):
            scale = taken / expected
        elif all(name in self._own for name in names):
            scale = 1.0
        else:
            return None
        if running and not running.counts:
            return scale * after + max(scale * whole - (now - running.started), 0)
        return scale * (after + (whole * (1 - running.share) if running else 0))

    def _stages_done(self) -> str:
        return f"{self._ran + self._passed}{f' of {self._total}' if self._total else ''} stages"

    def _end(self, now: float, saved: bool = False) -> None:
        running, self._running = self._running, None
        if not running:
            return
        self._ran += 1
        seconds = now - running.started
        # What went on from where it was stopped took less than the whole takes.
        if saved and not running.share_before:
            self._keep(running.name, seconds)
        if running.name in self._seconds:
            self._expected += (1 - running.share_before) * self._seconds[running.name]
            self._taken += seconds
        self._news.append(f"{self._stages_done()} · {running.name} took {seconds:.0f} s")


class _Running:
    """The stage at work."""

    def __init__(self, name: str, started: float) -> None:
        self.name, self.started = name, started
        # The outermost first: of the outputs, the batches of the one that is being made.
        self.counts: list[Count] = []
        self.share_before = 0.0

    def add(self, count: Count) -> None:
        first = not self.counts
        units = [known.unit for known in self.counts]
        self.counts = [*self.counts[: units.index(count.unit) if count.unit in units else None], count]
        if first:
            self.share_before = self.share

    @property
    def share(self) -> float:
        """How much of it is done, in [0, 1]."""
        share = 0.0
        for count in reversed(self.counts):
            share = (count.done + share) / count.total
        return share

    @property
    def share_done_here(self) -> float:
        return self.share - self.share_before

    def text(self) -> str:
        return ", ".join([self.name, *(f"{count.done} of {count.total} {count.unit}" for count in self.counts)])

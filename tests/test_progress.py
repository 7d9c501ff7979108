"""What a stage program says of how far it is: to a log, to a terminal, to tools/repro; and nothing hangs on it."""

import os
import re
import sys
from pathlib import Path

import pytest

from pfgvm.models.batching import batches
from stages.common import progress
from stages.common.progress import EVERY_STEP, Count, read_line, reported, time_left
from stages.common.resumable import WHOLE, write_in_batches
from tests.project import ROOT
from tests.terminal import Terminal


class Clock:
    """A time that tests set."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def work(clock: Clock, seconds: float, **counts: int) -> None:
    for _ in reported(range(counts["total"] - counts.get("done", 0)), "data/a b.npy", "batches", **counts):
        clock.now += seconds


def test_a_log_has_a_line_in_half_a_minute_at_most(clock, capsys):
    work(clock, 12, total=6)
    # After 36 seconds, 12 each; the next would come after 72, when all is done.
    assert capsys.readouterr().err.splitlines() == [
        "data/a b.npy: 3 of 6 batches, about 1 min left",
        "data/a b.npy: 6 of 6 batches",
    ]


def test_what_is_over_soon_says_nothing_in_a_log(clock, capsys):
    work(clock, 5, total=5)
    assert capsys.readouterr().err == ""


def test_what_was_done_before_took_no_time_now(clock, capsys):
    work(clock, 100, total=10, done=7)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "data/a b.npy: 8 of 10 batches, about 3 min left"


def test_tools_hear_of_every_step_and_read_it(clock, capsys, monkeypatch):
    monkeypatch.setenv(EVERY_STEP, "1")
    work(clock, 1, total=4, done=2)
    counts = [read_line(line) for line in capsys.readouterr().err.splitlines()]
    assert counts == [Count(done, 4, "batches") for done in (2, 3, 4)]


@pytest.mark.parametrize(
    "line", ["", "3 of 4 batches", "error: 3 of 4 images are missing: add them", "a: 0 of 0 batches", "a: 1 of 2"]
)
def test_other_lines_are_no_counts(line):
    assert read_line(line) is None


@pytest.mark.parametrize(
    "seconds, words",
    [
        (0, "less than 1 min left"),
        (29, "less than 1 min left"),
        (31, "about 1 min left"),
        (230, "about 4 min left"),
        (119 * 60, "about 119 min left"),
        (8000, "about 2 h left"),
        (90000, "about 25 h left"),
    ],
)
def test_time_left_in_words(seconds, words):
    assert time_left(seconds) == words


PROGRAM = "from stages.common.progress import reported\nfor _ in reported(range(3), 'a', 'batches', total=3): pass"


def test_a_terminal_has_a_bar():
    terminal = Terminal([sys.executable, "-c", PROGRAM], ROOT, {**os.environ}, size=(24, 80))
    assert terminal.end() == (0, "")
    assert re.search(r"a: 100%\|.+\| 3/3 ", terminal.shown)


def test_no_batch_hangs_on_who_listens(tmp_path: Path, monkeypatch, capsys):
    """What one run has finished another goes on from, and counts."""

    def make(images: slice) -> bytes:
        if images.start == 4 and EVERY_STEP not in os.environ:
            raise RuntimeError
        return b"%d" % images.start

    out = tmp_path / "out.bin"
    with pytest.raises(RuntimeError):
        write_in_batches(out, b"", batches(10, 4), make, key="key", shard=WHOLE)
    monkeypatch.setenv(EVERY_STEP, "1")
    write_in_batches(out, b"", batches(10, 4), make, key="key", shard=WHOLE)
    assert out.read_bytes() == b"048"
    assert capsys.readouterr().err.splitlines()[0] == f"{out}: 1 of 3 batches"

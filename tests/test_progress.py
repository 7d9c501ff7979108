"""Progress of a stage program: few complete lines in a log, a bar on a terminal, and the batches of earlier runs."""

import os
import re
import sys
from pathlib import Path

import pytest
import tqdm

from pfgvm.models.batching import batches
from stages.networks.progress import reported
from stages.networks.resumable import WHOLE, write_in_batches
from tests.project import ROOT
from tests.terminal import Terminal

LINE = re.compile(r"data/a b\.npy: (\d+) of (\d+) batches, (\d\d:\d\d) left")


def lines(monkeypatch, capsys, seconds: float, total: int, done: int = 0) -> list[tuple[str, ...]]:
    """Done, total and time left on each line of a log, at `seconds` per item."""
    now = 1000.0
    monkeypatch.setattr(tqdm.std, "time", lambda: now)
    for _ in reported(range(total - done), "data/a b.npy", "batches", total=total, done=done):
        now += seconds
    shown = capsys.readouterr().err
    assert "\r" not in shown
    return [LINE.fullmatch(line).groups() for line in shown.splitlines()]


def test_a_log_has_a_line_every_half_minute(monkeypatch, capsys):
    assert lines(monkeypatch, capsys, 12, total=8) == [("3", "8", "01:00"), ("6", "8", "00:24")]


def test_a_short_program_has_no_line(monkeypatch, capsys):
    assert lines(monkeypatch, capsys, 5, total=5) == []


def test_the_time_left_leaves_out_earlier_runs(monkeypatch, capsys):
    assert lines(monkeypatch, capsys, 100, total=10, done=7)[0] == ("8", "10", "03:20")


def test_a_terminal_has_a_bar():
    program = "from stages.networks.progress import reported; list(reported(range(3), 'a', 'batches', total=3))"
    terminal = Terminal([sys.executable, "-c", program], ROOT, {**os.environ}, size=(24, 80))
    assert terminal.end() == (0, "")
    assert re.search(r"a: 100%\|.+\| 3/3 ", terminal.shown)


def test_a_terminal_without_a_width_has_lines():
    program = "import stages.networks.progress as p; p.PAUSE = 0; list(p.reported('ab', 'a', 'batches', total=2))"
    terminal = Terminal([sys.executable, "-c", program], ROOT, {**os.environ}, size=(0, 0))
    assert terminal.end() == (0, "")
    assert "a: 2 of 2 batches, 00:00 left" in terminal.lines


def test_the_batches_of_a_stopped_run_count(tmp_path: Path, monkeypatch, capsys):
    now, interrupted = 1000.0, True
    monkeypatch.setattr(tqdm.std, "time", lambda: now)

    def make(images: slice) -> bytes:
        nonlocal now
        if images.start == 4 and interrupted:
            raise RuntimeError
        now += 40
        return b"%d" % images.start

    out = tmp_path / "out.bin"
    with pytest.raises(RuntimeError):
        write_in_batches(out, b"", batches(10, 4), make, key="key", shard=WHOLE)
    capsys.readouterr()
    interrupted = False
    write_in_batches(out, b"", batches(10, 4), make, key="key", shard=WHOLE)
    assert out.read_bytes() == b"048"
    assert f"{out}: 2 of 3 batches" in capsys.readouterr().err.splitlines()[0]

"""Checkpoints: valid for runs of the same key only, complete or absent, and cheap to write."""

import pytest
import torch

from pfgvm.errors import InputError
from stages.networks import kept_state
from stages.networks.kept_state import KeptState

STATE = {"weights": {"w": torch.arange(6.0).reshape(2, 3)}, "history": [{"epoch": 1, "loss": 0.5}], "best": None}


def test_what_was_written_is_read_by_a_run_of_the_same_key_alone(tmp_path):
    KeptState(tmp_path / "A", "key").write(STATE)
    state = KeptState(tmp_path / "A", "key").read()
    assert torch.equal(state["weights"]["w"], STATE["weights"]["w"])
    assert state | {"weights": None} == STATE | {"weights": None}
    assert KeptState(tmp_path / "A", "other").read() is None
    assert KeptState(tmp_path / "B", "key").read() is None


def test_a_checkpoint_is_removed_once_the_output_is_complete(tmp_path):
    checkpoint = KeptState(tmp_path / "A", "key")
    checkpoint.remove()
    checkpoint.write(STATE)
    checkpoint.remove()
    assert checkpoint.read() is None and not list(tmp_path.iterdir())


@pytest.mark.parametrize("bytes_left", [0, 10, 200])
def test_a_damaged_checkpoint_is_named_with_the_remedy(tmp_path, bytes_left):
    KeptState(tmp_path / "A", "key").write(STATE)
    file = tmp_path / ".A.checkpoint"
    file.write_bytes(file.read_bytes()[:bytes_left])
    with pytest.raises(InputError, match=r"\.A\.checkpoint: .*delete it"):
        KeptState(tmp_path / "A", "key").read()


@pytest.fixture
def slow_disk(monkeypatch):
    """A clock, and the states written to a disk that takes `seconds` per write."""

    class Disk:
        now, seconds = 100.0, 2.0

        def __init__(self):
            self.written = []

        def save(self, state, path):
            self.now += self.seconds
            self.written.append(state["state"])
            path.write_bytes(b"")

    disk = Disk()
    monkeypatch.setattr(kept_state.time, "monotonic", lambda: disk.now)
    monkeypatch.setattr(kept_state.torch, "save", disk.save)
    return disk


def test_writing_takes_a_twentieth_of_the_time_at_most(slow_disk, tmp_path):
    checkpoint = KeptState(tmp_path / "A", "key")
    for epoch in range(100):
        slow_disk.now += 1  # an epoch of a second
        checkpoint.write(epoch)
    assert slow_disk.written[0] == 0
    assert 2 <= len(slow_disk.written) <= 100 / (2 / 0.05) + 1


def test_one_slow_write_delays_the_next_by_ten_minutes_at_most(slow_disk, tmp_path):
    checkpoint = KeptState(tmp_path / "A", "key")
    slow_disk.seconds = 3600.0
    checkpoint.write(1)
    slow_disk.now += 599
    checkpoint.write(2)
    slow_disk.now += 2
    checkpoint.write(3)
    assert slow_disk.written == [1, 3]

"""A state that outlives its process: of its own run alone, whole or not at all, and cheap."""

import pytest
import torch

from pfgvm.errors import InputError
from stages.common import kept_state
from stages.common.kept_state import KeptState

STATE = {"weights": {"w": torch.arange(6.0).reshape(2, 3)}, "history": [{"epoch": 1, "loss": 0.5}], "best": None}


def test_what_was_written_is_read_by_a_run_of_the_same_key_alone(tmp_path):
    KeptState(tmp_path / "A", "key").write(STATE)
    found = KeptState(tmp_path / "A", "key").read()
    assert torch.equal(found["weights"]["w"], STATE["weights"]["w"])
    assert found | {"weights": None} == STATE | {"weights": None}
    assert KeptState(tmp_path / "A", "other").read() is None
    assert KeptState(tmp_path / "B", "key").read() is None


def test_it_is_gone_once_the_output_is_whole(tmp_path):
    kept = KeptState(tmp_path / "A", "key")
    kept.remove()
    kept.write(STATE)
    kept.remove()
    assert kept.read() is None and not list(tmp_path.iterdir())


@pytest.mark.parametrize("bytes_left", [0, 10, 200])
def test_a_damaged_checkpoint_is_named_with_the_remedy(tmp_path, bytes_left):
    KeptState(tmp_path / "A", "key").write(STATE)
    file = tmp_path / ".A.checkpoint"
    file.write_bytes(file.read_bytes()[:bytes_left])
    with pytest.raises(InputError, match=r"\.A\.checkpoint: is no whole checkpoint .*; delete it and run again"):
        KeptState(tmp_path / "A", "key").read()


def test_writing_takes_a_twentieth_of_the_time_at_most(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(kept_state.time, "monotonic", lambda: now[0])
    written = []

    def save(state, path):
        now[0] += 2  # a slow disk
        written.append(state["state"])
        path.write_bytes(b"")

    monkeypatch.setattr(kept_state.torch, "save", save)
    kept = KeptState(tmp_path / "A", "key")
    for epoch in range(100):
        now[0] += 1  # an epoch of a second
        kept.write(epoch)
    assert written[0] == 0
    assert 2 <= len(written) <= 100 / (2 / 0.05) + 1

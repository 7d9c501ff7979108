"""Outputs written batch by batch: shards share the batches, and finished ones with the same inputs are reused."""

import multiprocessing
import os
import re
import signal
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfgvm.errors import InputError
from pfgvm.models.batching import batches
from stages.common.files import atomic_write
from stages.networks.resumable import WHOLE, Shard, fingerprint, write_in_batches


@given(st.integers(1, 40), st.integers(0, 100))
def test_shards_share_out_all_batches_once(count: int, batches: int):
    shares = [Shard(f"{number}-of-{count}").share(range(batches)) for number in range(1, count + 1)]
    assert sorted(batch for share in shares for batch in share) == list(range(batches))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("text", ["", "2", "0-of-4", "5-of-4", "1-of-0", "-1-of-2", "1-of-2 ", "a-of-b"])
def test_no_shard(text: str):
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        Shard(text)


class Work:
    """Ten images in batches of four; `made` lists the batches computed."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "out.bin"
        self.made: list[tuple[int, int]] = []

    def make(self, images: slice) -> bytes:
        self.made.append((images.start, images.stop))
        return b"".join(b"%d," % image for image in range(images.start, images.stop))

    def write(self, shard: Shard = WHOLE, key: str = "key", make=None) -> None:
        write_in_batches(self.out, b"header:", batches(10, 4), make or self.make, key=key, shard=shard)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


WHOLE_FILE = b"header:0,1,2,3,4,5,6,7,8,9,"
ALL = [(0, 4), (4, 8), (8, 10)]


def test_the_whole_is_header_and_batches_in_order_and_leaves_nothing_else(work):
    work.write()
    assert work.out.read_bytes() == WHOLE_FILE
    assert work.made == ALL
    assert list(work.out.parent.iterdir()) == [work.out]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_any_number_of_shards_makes_the_same(work, count):
    for number in reversed(range(1, count + 1)):
        work.write(Shard(f"{number}-of-{count}"))
        assert not work.out.exists()
    assert sorted(work.made) == ALL
    work.write()
    assert sorted(work.made) == ALL
    assert work.out.read_bytes() == WHOLE_FILE


def test_batches_finished_before_a_failure_are_reused(work):
    def failing(images: slice) -> bytes:
        if images.start == 4:
            raise RuntimeError
        return work.make(images)

    with pytest.raises(RuntimeError):
        work.write(make=failing)
    assert not work.out.exists()
    work.write()
    assert work.made == ALL
    assert work.out.read_bytes() == WHOLE_FILE


def test_batches_of_other_inputs_are_not_reused(work):
    work.write(Shard("1-of-2"), key="other")
    work.made.clear()
    work.write()
    assert work.made == ALL
    assert list(work.out.parent.iterdir()) == [work.out]


def test_an_old_output_stays_until_the_new_one_is_whole(work):
    work.out.write_bytes(b"old")
    work.write(Shard("1-of-2"))
    assert work.out.read_bytes() == b"old"


def killed(work: Work) -> None:
    def make(images: slice) -> bytes:
        if images.start == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        return work.make(images)

    work.write(make=make)


def test_a_killed_process_leaves_finished_batches_and_no_lock(work):
    process = multiprocessing.get_context("fork").Process(target=killed, args=(work,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not work.out.exists()
    work.write()
    assert work.made == [(8, 10)]
    assert work.out.read_bytes() == WHOLE_FILE
    assert list(work.out.parent.iterdir()) == [work.out]


def test_one_batch_is_in_memory_at_a_time(tmp_path):
    tracemalloc.start()
    write_in_batches(tmp_path / "out.bin", b"", batches(50, 1), lambda images: bytes(1_000_000), key="key", shard=WHOLE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "out.bin").stat().st_size == 50_000_000
    assert peak < 5_000_000


def test_a_partial_batch_is_not_reused(work):
    work.write(Shard("1-of-3"))
    [batch] = work.out.parent.glob(".out.bin.batches/key/0")
    batch.rename(batch.with_name(".0.partial"))
    work.made.clear()
    work.write()
    assert work.made == ALL and work.out.read_bytes() == WHOLE_FILE


def test_the_second_of_two_writers_is_refused(tmp_path: Path):
    path = tmp_path / "table.csv"
    with atomic_write(path) as partial:
        partial.write_text("first")
        with pytest.raises(InputError, match=r"table\.csv: another process is writing it"), atomic_write(path):
            raise AssertionError("two at once")
        assert partial.read_text() == "first"
    assert path.read_text() == "first"


def test_the_fingerprint_follows_contents_and_values_not_names(tmp_path: Path):
    first, same, other = (tmp_path / name for name in ("one", "same", "other"))
    first.write_text("a")
    same.write_text("a")
    other.write_text("b")
    assert fingerprint([first], 1) == fingerprint([same], 1)
    different = {
        fingerprint([first], 1),
        fingerprint([other], 1),
        fingerprint([first], 2),
        fingerprint([first, other], 1),
    }
    assert len(different) == 4


def test_the_fingerprint_follows_the_code(monkeypatch, tmp_path: Path):
    before = fingerprint([], 1)
    edited = tmp_path / "p_fgvm.py"
    edited.write_text("x = 1\n")
    monkeypatch.setattr("stages.networks.resumable.__file__", str(edited))
    assert fingerprint([], 1) != before


def test_an_edited_model_counts_though_it_is_loaded_later(monkeypatch, tmp_path: Path):
    monkeypatch.setattr("pfgvm.models.__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "__init__.py").touch()
    (tmp_path / "not_loaded_yet.py").write_text("x = 1\n")
    before = fingerprint([], 1)
    (tmp_path / "not_loaded_yet.py").write_text("x = 2\n")
    assert fingerprint([], 1) != before


def test_an_edited_schema_of_the_settings_keeps_what_is_finished(monkeypatch, tmp_path: Path):
    before = fingerprint([], 1)
    edited = tmp_path / "settings.py"
    edited.write_text("x = 1\n")
    monkeypatch.setattr("pfgvm.settings.__file__", str(edited))
    assert fingerprint([], 1) == before

"""Checkpoints of a long computation, next to its output, from which a killed run resumes."""

import pickle
import time
from pathlib import Path
from typing import Any

import torch

from pfgvm.errors import InputError
from stages.common.files import atomic_write

# Writing takes at most about this share of the time.
_SHARE = 0.05
# At most so many seconds between two writes, even after an unusually slow one.
_LONGEST = 600


class KeptState:
    """The checkpoint of the output `out`, valid only for a run with the same `key` (see resumable.fingerprint)."""

    def __init__(self, out: Path, key: str) -> None:
        self._path = out.with_name(f".{out.name}.checkpoint")
        self._key = key
        self._due = 0.0

    def read(self) -> Any:
        """Read the last state, or None without one of this key. Raises InputError for a damaged file."""
        try:
            # Memory-mapped, so that a state of another key is not read.
            checkpoint = torch.load(self._path, mmap=True, weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            problem = str(error).splitlines()[0]
            raise InputError(f"{self._path}: is not a complete checkpoint ({problem}); delete it, run again") from None
        return checkpoint["state"] if checkpoint["key"] == self._key else None

    def write(self, state: Any) -> None:
        """Replace the checkpoint by `state`, tensors in containers; skipped when too soon after a slow write."""
        started = time.monotonic()
        if started < self._due:
            return
        with atomic_write(self._path) as partial:
            torch.save({"key": self._key, "state": state}, partial)
        ended = time.monotonic()
        self._due = ended + min((ended - started) / _SHARE, _LONGEST)

    def remove(self) -> None:
        """Delete the checkpoint of a complete output."""
        self._path.unlink(missing_ok=True)

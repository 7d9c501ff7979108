"""The state of a long computation, kept beside its output so that a killed one goes on."""

import pickle
import time
from pathlib import Path
from typing import Any

import torch

from pfgvm.errors import InputError
from stages.common.files import atomic_write

# Writing takes at most about this share of the time …
_SHARE = 0.05
# … but no more than so many seconds of work are lost: one write may be slow because its process was held up.
_LONGEST = 600


class KeptState:
    """The state of what makes `out`, good for a run of the same `key` (see resumable.fingerprint) alone."""

    def __init__(self, out: Path, key: str) -> None:
        self._path = out.with_name(f".{out.name}.checkpoint")
        self._key = key
        self._due = 0.0

    def read(self) -> Any:
        """The state last written; None where there is none of this key. Raises InputError for a damaged file."""
        try:
            # Mapped, so that a state of another key is not read.
            kept = torch.load(self._path, mmap=True, weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            problem = str(error).splitlines()[0]
            raise InputError(f"{self._path}: is no whole checkpoint ({problem}); delete it and run again") from None
        return kept["state"] if kept["key"] == self._key else None

    def write(self, state: Any) -> None:
        """Keep `state`, tensors in containers, in place of what was kept; does nothing so soon after a slow write."""
        started = time.monotonic()
        if started < self._due:
            return
        with atomic_write(self._path) as partial:
            torch.save({"key": self._key, "state": state}, partial)
        ended = time.monotonic()
        self._due = ended + min((ended - started) / _SHARE, _LONGEST)

    def remove(self) -> None:
        """Forget what was kept: the output is whole."""
        self._path.unlink(missing_ok=True)

"""Files that appear whole or not at all, and their hashes."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pfgvm.errors import InputError


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A path to write to that becomes `path` when the block ends, and vanishes when it fails.

    Raises InputError while another process writes `path`, and the operating system's errors by the name of `path`.
    """
    # Shorter than any name that a file system takes, and one for each path.
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()
    partial = path.with_name(f".{path.name[:32]}.{digest[:16]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "ab") as file:
            _claim(file, path)
            try:
                yield partial
                os.replace(partial, path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
    except OSError as error:
        # A full disk names no file.
        if error.filename in (None, os.fspath(partial)):
            error.filename, error.filename2 = os.fspath(path), None
        raise


def _claim(file: BinaryIO, path: Path) -> None:
    # The kernel releases a killed process's lock. Where a file system has no locks, nothing is guarded.
    with contextlib.suppress(OSError):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{path}: another process is writing it; wait for that to end, or stop it") from None


def sha256(path: Path) -> str:
    """SHA-256 of the file at `path`, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

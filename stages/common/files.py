"""Atomic writes, and hashes of files."""

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
    """Yield a temporary path that replaces `path` when the block ends, and is removed when the block fails.

    Raises InputError while another process writes `path`, and OSError with the name of `path`.
    """
    # Within every file system's limit on names, and different for every path.
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
        # The error of a full disk has no file name.
        if error.filename in (None, os.fspath(partial)):
            error.filename, error.filename2 = os.fspath(path), None
        raise


def _claim(file: BinaryIO, path: Path) -> None:
    # The kernel releases a killed process's lock. On a file system without locks there is no protection.
    with contextlib.suppress(OSError):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{path}: another process is writing it; wait until it ends, or stop it") from None


def sha256(path: Path) -> str:
    """Compute the SHA-256 of the file at `path`, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Faces on disk, whatever their layout: listing folders, reading files, and errors that name culprit and remedy."""

import contextlib
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from pfgvm.errors import InputError


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Makes an error of the file system, met while `path` is read, one that names the culprit and the remedy."""
    try:
        yield
    except OSError as error:
        remedy = "make it readable" if isinstance(error, PermissionError) else "replace or remove it"
        raise InputError(f"{error.filename or path}: cannot be read ({error.strerror}); {remedy}") from None


def suffix(name: str) -> str:
    """The ending of a file name, in lower case and with its dot; empty where there is none."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def stem(name: str) -> str:
    """A file name without its ending."""
    return name.rpartition(".")[0]


def visible_entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """What lies in `folder`, by name, less what begins with a dot. Raises InputError where it cannot be listed."""
    with reading(folder), os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def content(file: Path) -> bytes:
    """The bytes of `file`. Raises InputError where it cannot be read."""
    with reading(file):
        return file.read_bytes()


def breaks_lines(name: str) -> bool:
    """Whether `name` would break a line of a table or a figure."""
    # Control characters and Unicode's line and paragraph separators; a joiner or a wide space is plain text.
    return not name.isprintable() and any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") for each in name)


def check_that_dvc_can_hash(root: Path) -> None:
    """Raise InputError for what keeps DVC from hashing the folder `root`: a link to nothing, a name that is not UTF-8.

    DVC hashes the whole folder, and stops at either with an error that names no remedy.
    """
    folders = [os.fspath(root)]
    while folders:
        # A folder that may not be listed DVC passes over; one that is not there it names.
        with contextlib.suppress(PermissionError, FileNotFoundError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink() and not os.path.exists(entry.path):
                    raise InputError(f"{entry.path}: is a link to nothing; remove it, or restore what it points to")
                if _is_undecodable(entry.name):
                    raise InputError(f"{os.path.dirname(entry.path)}: the name {entry.name!r} is not UTF-8; rename it")
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)


def _is_undecodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False

"""File access: listing folders and reading files, with errors that state cause and fix."""

import contextlib
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from pfgvm.errors import InputError


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Convert file system errors while reading `path` to InputError."""
    try:
        yield
    except OSError as error:
        remedy = "make it readable" if isinstance(error, PermissionError) else "replace or remove it"
        raise InputError(f"{error.filename or path}: cannot be read ({error.strerror}); {remedy}") from None


def suffix(name: str) -> str:
    """Extension of a file name, in lower case with its dot; empty if there is none."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def stem(name: str) -> str:
    """File name without its extension."""
    return name.rpartition(".")[0]


def visible_entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """Entries of `folder` sorted by name, without hidden ones. Raises InputError if it cannot be listed."""
    with reading(folder), os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def content(file: Path) -> bytes:
    """Content of `file`. Raises InputError if it cannot be read."""
    with reading(file):
        return file.read_bytes()


def breaks_lines(name: str) -> bool:
    """Whether `name` contains a line break or control character, which would break tables and figures."""
    # Control characters, surrogates, line and paragraph separators; joiners and wide spaces are allowed.
    return not name.isprintable() and any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name
    )


def check_that_dvc_can_hash(root: Path) -> None:
    """Raise InputError if DVC cannot hash the folder `root`: for a broken link or a name that is not UTF-8.

    DVC hashes the whole folder, and its own errors do not state the fix.
    """
    folders = [os.fspath(root)]
    while folders:
        # DVC skips an unreadable folder and reports a missing one.
        with contextlib.suppress(PermissionError, FileNotFoundError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink() and not os.path.exists(entry.path):
                    raise InputError(f"{entry.path}: is a link to nothing; remove it or restore its target")
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

"""The command line of every program: settings and options in, user errors out as one message."""

import argparse
import contextlib
import errno
import inspect
import os
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pfgvm.errors import InputError
from pfgvm.settings import Settings, parse

SETTINGS = Path("params.yaml")
# The fix for each error of the operating system; for all others, another path.
_REMEDIES = {
    errno.ENOENT: "correct the path, or run `dvc repro` first if the pipeline writes it",
    errno.ENAMETOOLONG: "shorten the name",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EACCES: "change its permissions, or name another path",
    errno.EPERM: "change its permissions, or name another path",
    errno.ENOTDIR: "name a folder in its place",
    errno.EEXIST: "name a folder in its place",
    errno.EISDIR: "name a file in its place",
}


def read_settings() -> Settings:
    """Read params.yaml of the working directory. Raises InputError for invalid settings."""
    try:
        # YAML 1.2: under YAML 1.1, DVC's 1e-06 is a string.
        values = YAML(typ="safe", pure=True).load(SETTINGS)
    except OSError as error:
        raise InputError(f"{SETTINGS}: cannot be read ({error.strerror}); run from the project's folder") from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(f"{SETTINGS}, line {line}: is not valid YAML ({error.problem}); correct it") from None
    except YAMLError:
        raise InputError(f"{SETTINGS}: is not a text file; restore the committed file") from None
    if not isinstance(values, dict):
        raise InputError(f"{SETTINGS}: contains no settings; restore the committed file")
    return parse(values, str(SETTINGS))


def run(main: Callable[..., None]) -> None:
    """Run `main` as a program: each parameter is an option of the same name, with the annotation as its type.

    A parameter without a default is required; a list takes several values. A user error (see `input_errors`) becomes
    one message on standard error and exit status 1.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    for parameter in inspect.signature(main).parameters.values():
        required = parameter.default is parameter.empty
        default = None if required else parameter.default
        several = typing.get_origin(parameter.annotation) is list
        kind = typing.get_args(parameter.annotation)[0] if several else parameter.annotation
        parser.add_argument(
            f"--{parameter.name}", type=kind, nargs="+" if several else None, required=required, default=default
        )
    arguments = vars(parser.parse_args())
    print_any_name()
    try:
        with input_errors():
            main(**arguments)
    except InputError as error:
        sys.exit(f"error: {error}")


@contextlib.contextmanager
def input_errors() -> Iterator[None]:
    """Convert errors of the operating system, and file names that are not UTF-8, to InputError with the fix."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        path = os.fsdecode(error.filename2 or error.filename or "")
        remedy = _REMEDIES.get(error.errno, "name another path")
        raise InputError(f"{path + ': ' if path else ''}{os.strerror(error.errno)}; {remedy}") from error
    except UnicodeEncodeError as error:
        raise InputError(f"{readable(error.object)}: is not UTF-8; rename it") from error


def readable(name: str) -> str:
    """Escape the bytes of a file name that are not UTF-8, as in \\udc80, so that every text file can contain it."""
    return name.encode("utf-8", "backslashreplace").decode()


def print_any_name() -> None:
    """Escape printed characters that the terminal's encoding lacks, so that printing a file name never fails."""
    for stream in (sys.stdout, sys.stderr):
        # A replaced stream (in tests) may have no encoding.
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

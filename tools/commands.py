"""Run other programs and read their output."""

import os
import shlex
import subprocess
from pathlib import Path

from pfgvm.errors import InputError


def output_of(*command: str) -> str:
    """Run `command` and return its standard output, decoded like Python's paths.

    Raises InputError, with the command's own message, for a failed or missing command.
    """
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        raise InputError(f"{command[0]}: is not installed or not on PATH; install it") from None
    if done.returncode:
        message = " ".join(os.fsdecode(done.stderr).split())
        raise InputError(
            f"{Path().absolute()}: `{shlex.join(command)}` failed here ({message}); run in a clone of the project that "
            "you own"
        )
    return os.fsdecode(done.stdout)

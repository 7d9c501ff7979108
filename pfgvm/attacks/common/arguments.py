"""Argument checks of the attacks. Every error names the argument, its value and the fix."""

import math
import numbers
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pfgvm.errors import InputError


def checked_images(images: Tensor) -> Tensor:
    """Detached `images`. Raises InputError unless they are floating-point, finite, (B, C, H, W) and in [0, 1]."""
    _require_finite_floats("images", images)
    if images.dim() != 4:
        raise InputError(f"images must have shape (B, C, H, W), not {tuple(images.shape)}; add the batch dimension")
    if images.numel():
        low, high = images.min().item(), images.max().item()
        if low < 0 or high > 1:
            raise InputError(
                f"images must lie in [0, 1], not {low:.6g} to {high:.6g}; divide 8-bit values by 255, and put any "
                "other normalisation into the model"
            )
    return images.detach()


def checked_targets(targets: Tensor, images: Tensor) -> Tensor:
    """`targets` as int64. Raises InputError unless they are integers ≥ 0 of shape (B,) on the device of `images`.

    Their upper bound is checked against the model's logits.
    """
    _require_tensor("targets", targets)
    if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
        raise InputError(f"targets must be integer class indices, not {targets.dtype}")
    _require_shape("targets", targets, (len(images),))
    _require_device("targets", targets, images)
    if targets.numel() and (lowest := int(targets.min())) < 0:
        raise InputError(f"targets must be class indices from 0, not {lowest}")
    return targets.long()


def checked_start(start: Tensor, images: Tensor) -> Tensor:
    """Detached `start`. Raises InputError unless it is finite, of the shape, type and device of `images`."""
    _require_like_images("start", start, images)
    if start.dtype != images.dtype:
        raise InputError(f"start must have the images' type, {images.dtype}, not {start.dtype}; convert it")
    return start.detach()


def checked_noise(noise: Tensor, images: Tensor) -> Tensor:
    """Detached `noise`. Raises InputError unless it is finite, of the shape and device of `images`."""
    _require_like_images("noise", noise, images)
    return noise.detach()


def checked_norms(l2: Tensor, images: Tensor) -> Tensor:
    """Detached `l2`. Raises InputError unless they are finite norms ≥ 0 of shape (B,) on the device of `images`."""
    _require_finite_floats("l2", l2)
    _require_shape("l2", l2, (len(images),))
    _require_device("l2", l2, images)
    if l2.numel() and (lowest := l2.min().item()) < 0:
        raise InputError(f"l2 must contain norms of at least 0, not {lowest:.6g}")
    return l2.detach()


def checked_names(names: Sequence[str], images: Tensor) -> Sequence[str]:
    """`names` unchanged. Raises InputError unless there is one per image."""
    if len(names) != len(images):
        raise InputError(f"names must contain one name per image, {len(images)}, not {len(names)}")
    return names


def finite(name: str, value: Any) -> float:
    """`value` of the argument `name` as a float. Raises InputError unless it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InputError(f"{name} must be a number, not {value!r}; convert a tensor or array with .item()")
    if not math.isfinite(value):
        raise InputError(f"{name} must be finite, not {value!r}")
    return float(value)


def positive(name: str, value: Any) -> float:
    """`value` of the argument `name` as a float. Raises InputError unless it is a finite number > 0."""
    if (number := finite(name, value)) <= 0:
        raise InputError(f"{name} must be above 0, not {value!r}")
    return number


def non_negative(name: str, value: Any) -> float:
    """`value` of the argument `name` as a float. Raises InputError unless it is a finite number ≥ 0."""
    if (number := finite(name, value)) < 0:
        raise InputError(f"{name} must be at least 0, not {value!r}")
    return number


def share(name: str, value: Any) -> float:
    """`value` of the argument `name` as a float. Raises InputError unless it is a number in [0, 1]."""
    if not 0 <= (number := finite(name, value)) <= 1:
        raise InputError(f"{name} must lie in [0, 1], not {value!r}")
    return number


def count(name: str, value: Any, least: int = 0) -> int:
    """`value` of the argument `name` as an int. Raises InputError unless it is a whole number ≥ `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < least:
        raise InputError(f"{name} must be a whole number, at least {least}, not {value!r}")
    return number


def switch(name: str, value: Any) -> bool:
    """`value` of the argument `name` unchanged. Raises InputError unless it is True or False."""
    if not isinstance(value, bool):
        raise InputError(f"{name} must be True or False, not {value!r}")
    return value


def _require_tensor(name: str, values: Any) -> None:
    if not isinstance(values, Tensor):
        raise InputError(f"{name} must be a torch tensor, not {type(values).__name__}; convert it with torch.as_tensor")


def _require_finite_floats(name: str, values: Any) -> None:
    _require_tensor(name, values)
    if not values.is_floating_point():
        raise InputError(f"{name} must be floating-point, not {values.dtype}; convert it (divide 8-bit pixels by 255)")
    if not values.isfinite().all():
        raise InputError(f"{name} must be finite, without NaN or infinity")


def _require_like_images(name: str, values: Any, images: Tensor) -> None:
    _require_finite_floats(name, values)
    _require_shape(name, values, tuple(images.shape))
    _require_device(name, values, images)


def _require_shape(name: str, values: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(values.shape) != shape:
        raise InputError(f"{name} must have shape {shape}, to match the images, not {tuple(values.shape)}")


def _require_device(name: str, values: Tensor, images: Tensor) -> None:
    if values.device != images.device:
        raise InputError(f"{name} must be on the images' device, {images.device}, not on {values.device}; move it")

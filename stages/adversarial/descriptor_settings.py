"""The face descriptors that a method of the settings has before it, ready to run."""

# The stage `settings` checks weights without PyTorch.
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pfgvm.errors import InputError
from pfgvm.models.descriptors import DESCRIPTORS, weights_file
from pfgvm.settings import Settings

if TYPE_CHECKING:
    from torch import nn


def descriptor_weights(name: str, settings: Settings) -> Path:
    """The weights file of the descriptor `name`: that of train.B.weights, where it is Model B's, or the installed one.

    Raises InputError where there is neither, or the file cannot be read.
    """
    chosen = settings.train.B
    if name != chosen.descriptor:
        if installed := DESCRIPTORS[name].installed:
            return installed()
        raise InputError(
            f"{name}: none of its weights install with the environment; set train.B.descriptor to {name} and "
            f"train.B.weights to your file of them, or take {name} out of attack.p_fgvm_features.descriptors"
        )
    try:
        found = weights_file(name, Path(chosen.weights))
    except OSError as error:
        remedy = "make it readable, or " if isinstance(error, PermissionError) else ""
        raise InputError(
            f"{chosen.weights}: cannot be read ({error.strerror}); {remedy}set train.B.weights to the descriptor's "
            "weights (README: Real faces)"
        ) from None
    if found is None:
        raise InputError(
            f"{chosen.weights}: is empty, and no weights of {name} install with the environment; set train.B.weights "
            "to your own file of them (README: Real faces)"
        )
    return found


def open_descriptor(name: str, settings: Settings, image_size: tuple[int, int]) -> nn.Module:
    """The descriptor `name` in eval mode: images in [0, 1], (B, 3, H, W), to features; image_size: H, W.

    Raises InputError where its weights are missing or not its own.
    """
    return DESCRIPTORS[name].module.load(image_size, descriptor_weights(name, settings)).eval()

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


def descriptor_weights(name: str, settings: Settings) -> Path | None:
    """The weights file of the descriptor `name`: that of train.B.weights, where it is Model B's, or the installed one.

    Raises InputError where there is neither.
    """
    chosen = settings.train.B
    found = (
        weights_file(name, Path(chosen.weights)) if name == chosen.descriptor else DESCRIPTORS[name].module.installed()
    )
    if found is None:
        raise InputError(
            f"attack.p_fgvm_features.descriptors: no weights of {name} install with the environment; set "
            f"train.B.descriptor to {name} and train.B.weights to your file of them, or take {name} out"
        )
    return found


def open_descriptor(name: str, settings: Settings, image_size: tuple[int, int]) -> nn.Module:
    """The descriptor `name` in eval mode: images in [0, 1], (B, 3, H, W), to features; image_size: H, W.

    Raises InputError where its weights are missing or not its own.
    """
    return DESCRIPTORS[name].module.load(image_size, descriptor_weights(name, settings)).eval()

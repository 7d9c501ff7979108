"""The face descriptors attacked under the settings: their weights and networks."""

# The stage `settings` checks weights without loading PyTorch.
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pfgvm.errors import InputError
from pfgvm.models.descriptors import DESCRIPTORS, weights_file
from pfgvm.settings import Settings

if TYPE_CHECKING:
    from torch import nn


def descriptor_weights(name: str, settings: Settings) -> Path:
    """Locate the weights file of the descriptor `name`: train.B.weights for Model B's descriptor, else the installed.

    Raises InputError for a missing or unreadable file.
    """
    model_b = settings.train.B
    if name != model_b.descriptor:
        if installed := DESCRIPTORS[name].installed:
            return installed()
        raise InputError(
            f"{name}: its weights are not installed with the environment; set train.B.descriptor to {name} and "
            f"train.B.weights to your weights file, or remove {name} from attack.p_fgvm_features.descriptors"
        )
    try:
        path = weights_file(name, Path(model_b.weights))
    except OSError as error:
        remedy = "make it readable, or " if isinstance(error, PermissionError) else ""
        raise InputError(
            f"{model_b.weights}: cannot be read ({error.strerror}); {remedy}set train.B.weights to the descriptor's "
            "weights (docs/data.md)"
        ) from None
    if path is None:
        raise InputError(
            f"{model_b.weights}: is empty, and no weights of {name} are installed with the environment; set "
            "train.B.weights to your weights file (docs/data.md)"
        )
    return path


def open_descriptor(name: str, settings: Settings, image_size: tuple[int, int]) -> nn.Module:
    """Load the descriptor `name` in eval mode: images in [0, 1], (B, 3, H, W), to features; image_size: H, W.

    Raises InputError for missing weights, and for those of another network.
    """
    return DESCRIPTORS[name].module.load(image_size, descriptor_weights(name, settings)).eval()

"""The pretrained face descriptors of Model B and of P-FGVM (features), one entry each."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from pfgvm.models.installed_weights import dlib_weights, sface_weights


@dataclass(frozen=True)
class Descriptor:
    """A face descriptor.

    label: name in tables. title: name in Table 1. module_name: module with two functions: `build(image_size)` returns
    an untrained network from images (B, 3, H, W) in [0, 1] to features (B, F); `load(image_size, weights)` returns it
    with the weights of a file (None: the installed weights, or random ones if none are installed). The module is
    imported on use, since the other fields do not need PyTorch.
    installed: function that returns the installed weights file; None if none is installed.
    """

    label: str
    title: str
    module_name: str
    installed: Callable[[], Path] | None = None

    @property
    def module(self) -> ModuleType:
        """Import and return the module."""
        return import_module(self.module_name)


DESCRIPTORS = {
    "vgg_face": Descriptor("VGG-Face", "VGG-Face CNN descriptor (VGG-16)", "pfgvm.models.vgg_face"),
    "dlib": Descriptor("dlib", "dlib face descriptor (29-layer ResNet)", "pfgvm.models.dlib_descriptor", dlib_weights),
    "sface": Descriptor("SFace", "SFace face descriptor (MobileNet)", "pfgvm.models.sface_descriptor", sface_weights),
}


def descriptor_label(name: str) -> str:
    """Label of the descriptor `name` in tables; the name itself if it is not in DESCRIPTORS."""
    return DESCRIPTORS[name].label if name in DESCRIPTORS else name


def weights_file(name: str, weights: Path) -> Path | None:
    """Weights file of the descriptor `name` for train.B.weights; an empty file stands for the installed one.

    Returns None if `weights` is empty and no weights are installed.
    """
    if weights.stat().st_size:
        return weights
    installed = DESCRIPTORS[name].installed
    return installed() if installed else None

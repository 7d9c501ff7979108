"""The pretrained face descriptors that Model B may stand on: one entry each."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from pfgvm.models.installed_weights import dlib_weights


@dataclass(frozen=True)
class Descriptor:
    """A face descriptor: its label in tables, its title in Table 1, its module, and its weights in the environment.

    The module has two functions: `build(image_size)`, an untrained network from images in [0, 1], (B, 3, H, W), to
    features, (B, F); and `load(image_size, weights)`, the same with the weights of a file (None: the installed ones,
    or random ones where none are installed). It is imported when it is used: the other fields need no PyTorch.
    installed: returns the weights file that comes with the environment; None where there is none.
    """

    label: str
    title: str
    module_name: str
    installed: Callable[[], Path] | None = None

    @property
    def module(self) -> ModuleType:
        """The module itself, imported now."""
        return import_module(self.module_name)


DESCRIPTORS = {
    "vgg_face": Descriptor("VGG-Face", "VGG-Face CNN descriptor (VGG-16)", "pfgvm.models.vgg_face"),
    "dlib": Descriptor("dlib", "dlib face descriptor (29-layer ResNet)", "pfgvm.models.dlib_descriptor", dlib_weights),
}


def descriptor_label(name: str) -> str:
    """What tables call the descriptor `name`; a name that is not in DESCRIPTORS stands for itself."""
    return DESCRIPTORS[name].label if name in DESCRIPTORS else name


def weights_file(name: str, weights: Path) -> Path | None:
    """The file that the setting train.B.weights means for the descriptor `name`; an empty file: the installed one.

    None where `weights` is empty and nothing is installed.
    """
    if weights.stat().st_size:
        return weights
    installed = DESCRIPTORS[name].installed
    return installed() if installed else None

"""The pretrained face descriptors that Model B may stand on: one entry each."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType


@dataclass(frozen=True)
class Descriptor:
    """A face descriptor: what tables call it, what Table 1 calls it, and the module that holds it.

    The module has three functions: `build(image_size)`, an untrained network from images in [0, 1], (B, 3, H, W), to
    features, (B, F); `load(image_size, weights)`, the same with the weights of a file (None: what `installed()` names,
    or random ones where there is no such file); and `installed()`, the weights file that comes with the environment,
    or None. It is imported when it is used, so that names and labels need no PyTorch.
    """

    label: str
    title: str
    module_name: str

    @property
    def module(self) -> ModuleType:
        """The module itself, imported now."""
        return import_module(self.module_name)


DESCRIPTORS = {
    "vgg_face": Descriptor("VGG-Face", "VGG-Face CNN descriptor (VGG-16)", "pfgvm.models.vgg_face"),
    "dlib": Descriptor("dlib", "dlib face descriptor (29-layer ResNet)", "pfgvm.models.dlib_descriptor"),
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
    return DESCRIPTORS[name].module.installed()

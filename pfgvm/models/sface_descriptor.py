"""SFace as a descriptor of aligned faces in CelebA's framing."""

from collections import OrderedDict
from pathlib import Path

from torch import nn

from pfgvm.models import sface_file
from pfgvm.models.sface import DESCRIPTOR_SIZE, FaceChips, SFace


class Descriptor(nn.Sequential):
    """Images (B, 3, H, W) in [0, 1] of one size to SFace's descriptors, (B, 128)."""

    features = DESCRIPTOR_SIZE

    def __init__(self, network: SFace, image_size: tuple[int, int]) -> None:
        super().__init__(OrderedDict(chips=FaceChips(image_size), sface=network))


def build(image_size: tuple[int, int]) -> Descriptor:
    """The descriptor with random weights, for images of `image_size` (height, width)."""
    return Descriptor(SFace(), image_size)


def load(image_size: tuple[int, int], weights: str | Path | None) -> Descriptor:
    """The descriptor with the weights of an ONNX file; None: the installed file. Errors as in `sface_file.load`."""
    return Descriptor(sface_file.load(weights), image_size)

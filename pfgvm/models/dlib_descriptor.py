"""dlib's face network as a descriptor of aligned faces in CelebA's framing."""

from collections import OrderedDict
from pathlib import Path

from torch import nn

from pfgvm.models import dlib_file
from pfgvm.models.dlib_face import DESCRIPTOR_SIZE, DlibFace, FaceChips


class Descriptor(nn.Sequential):
    """Images (B, 3, H, W) in [0, 1] of one size to dlib's face descriptors, (B, 128)."""

    features = DESCRIPTOR_SIZE

    def __init__(self, network: DlibFace, image_size: tuple[int, int]) -> None:
        super().__init__(OrderedDict(chips=FaceChips(image_size), dlib=network))


def build(image_size: tuple[int, int]) -> Descriptor:
    """The descriptor with random weights, for images of `image_size` (height, width)."""
    return Descriptor(DlibFace(), image_size)


def load(image_size: tuple[int, int], weights: str | Path | None) -> Descriptor:
    """The descriptor with the weights of dlib's file; None: the installed file. Errors as in `dlib_file.load`."""
    return Descriptor(dlib_file.load(weights), image_size)

"""VGG-Face CNN descriptor: VGG-16's convolutions, weights of Parkhi et al., "Deep Face Recognition" (2015)."""

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

from pfgvm.models.weights_file import read_weights_file

# Channels of the 3x3 convolutions, block by block; a 2x2 max-pooling closes each block.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# Means of the RGB training images on the 0-255 scale, as the published weights require.
MEAN_RGB = (129.1863, 104.7624, 93.5940)


class _Scale(nn.Module):
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN_RGB).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return 255 * images - self.mean


class VGGFace(nn.Sequential):
    """The thirteen convolutions and five poolings of VGG-16, named conv1_1 … pool5.

    Maps RGB images (B, 3, H, W) in [0, 1] to pool5, (B, 512, H // 32, W // 32).
    """

    def __init__(self) -> None:
        super().__init__()
        self.add_module("scale", _Scale())
        channels = 3
        for block, widths in enumerate(BLOCKS, start=1):
            for layer, width in enumerate(widths, start=1):
                self.add_module(f"conv{block}_{layer}", nn.Conv2d(channels, width, 3, padding=1))
                self.add_module(f"relu{block}_{layer}", nn.ReLU())
                channels = width
            self.add_module(f"pool{block}", nn.MaxPool2d(2))


class Descriptor(nn.Sequential):
    """VGGFace with flattened pool5: images in [0, 1] of one size to (B, features); 15,360 features at 218 x 178."""

    vgg_face: VGGFace

    def __init__(self, convolutions: VGGFace, image_size: tuple[int, int]) -> None:
        super().__init__(OrderedDict(vgg_face=convolutions, flatten=nn.Flatten()))
        self.features = 512 * (image_size[0] // 32) * (image_size[1] // 32)


def build(image_size: tuple[int, int]) -> Descriptor:
    """The descriptor with random weights, for images of `image_size` (height, width)."""
    return Descriptor(VGGFace(), image_size)


def load(image_size: tuple[int, int], weights: str | Path | None) -> Descriptor:
    """The descriptor with the weights of a file (see `read_weights`), or random weights for None."""
    descriptor = build(image_size)
    if weights is not None:
        descriptor.vgg_face.load_state_dict(read_weights(weights))
    return descriptor


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """State dict of the convolutions in `vgg_face_dag.pth` (keys conv1_1.weight … conv5_3.bias), float32.

    Fully connected layers are ignored. Errors as in `read_weights_file`.
    """
    with torch.device("meta"):
        expected = VGGFace().state_dict()
    remedy = "set train.B.weights to vgg_face_dag.pth of the PyTorch conversion (docs/data.md)"
    return read_weights_file(path, expected, remedy)

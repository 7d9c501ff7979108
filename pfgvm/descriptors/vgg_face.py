"""The VGG-Face CNN descriptor: VGG-16's convolutions, weights of Parkhi et al., "Deep Face Recognition" (2015)."""

from pathlib import Path

import torch
from torch import Tensor, nn

from pfgvm.errors import InputError

# Channels of the 3x3 convolutions, block by block; a 2x2 max-pooling closes each block.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# Means of the RGB training images on the 0-255 scale, as the published weights expect them.
MEAN_RGB = (129.1863, 104.7624, 93.5940)


class _Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN_RGB).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return 255 * images - self.mean


class VGGFace(nn.Sequential):
    """VGG-16's thirteen convolutions and five poolings, named conv1_1 … pool5.

    Takes RGB images in [0, 1], (B, 3, H, W), and gives pool5, (B, 512, H // 32, W // 32).
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

    def features(self, image_size: tuple[int, int]) -> int:
        """How many numbers pool5 holds for an image of `image_size` (height, width): 15,360 at 218 x 178."""
        return 512 * (image_size[0] // 32) * (image_size[1] // 32)


def load(path: str | Path) -> VGGFace:
    """The descriptor with the convolutions of a `vgg_face_dag.pth` (keys conv1_1.weight … conv5_3.bias).

    Fully connected layers in the file are passed over. Nothing in the file is executed. Raises InputError when the
    file is missing, is no plain weights file, or lacks a convolution of the right shape.
    """
    remedy = "point train.B.weights at the vgg_face_dag.pth of the PyTorch conversion (see README)"
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except Exception:  # a damaged or foreign file may fail anywhere in the unpickler
        problem = "is no plain PyTorch weights file, or holds code, which is not run"
        raise InputError(f"{path}: {problem}; {remedy}") from None
    descriptor = VGGFace()
    expected = descriptor.state_dict()
    if not isinstance(weights, dict):
        raise InputError(f"{path}: holds a {type(weights).__name__}, not a mapping of weights; {remedy}")
    for name, tensor in expected.items():
        found = weights.get(name)
        if not isinstance(found, Tensor) or found.shape != tensor.shape:
            shape = tuple(found.shape) if isinstance(found, Tensor) else "missing"
            raise InputError(f"{path}: {name} is {shape}, not {tuple(tensor.shape)}; {remedy}")
        if not torch.isfinite(found).all():
            raise InputError(f"{path}: {name} holds values that are not finite; {remedy}")
    descriptor.load_state_dict({name: weights[name] for name in expected})
    return descriptor

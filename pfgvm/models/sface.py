"""SFace (Zhong et al. 2021), the face recognition network of OpenCV's model zoo, in PyTorch.

With it, gradients reach the image. The weights (Apache-2.0) come from an ONNX file. `FaceChips` converts aligned faces
to its input.
"""

import numpy as np
from torch import Tensor, nn

from pfgvm.faces.geometry import ARCFACE_POINTS, ARCFACE_SIZE, CELEBA_SIZE
from pfgvm.models.dlib_face import Affine
from pfgvm.models.face_chips import Chips

DESCRIPTOR_SIZE = 128
# Normalisation of values from 0 to 255.
MEAN, SCALE = 127.5, 0.0078125
STEM_CHANNELS = 32
# (channels, stride) of the depthwise separable convolutions of MobileNet (Howard et al. 2017)
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)
)  # fmt: skip
# Height and width of the last block's output.
_LAST_SIZE = ARCFACE_SIZE // 16


class SFace(nn.Module):
    """SFace's descriptor: RGB chips (B, 3, 112, 112) in [0, 1] to descriptors (B, 128).

    A new object has random weights; `sface_file.load` returns the trained network. Batch normalisation with fixed
    statistics is part of the convolutions and of the last layer.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_convolution(3, STEM_CHANNELS, 3)]
        before = STEM_CHANNELS
        for channels, stride in BLOCKS:
            layers += _convolution(before, before, 3, stride=stride, groups=before)
            layers += _convolution(before, channels, 1)
            before = channels
        layers += [Affine(before), nn.Flatten(), nn.Linear(before * _LAST_SIZE**2, DESCRIPTOR_SIZE)]
        self.layers = nn.Sequential(*layers)

    def forward(self, chips: Tensor) -> Tensor:
        """Descriptors (B, 128) of `chips`."""
        return self.layers((255 * chips - MEAN) * SCALE)


class FaceChips(Chips):
    """Aligned faces (B, 3, *image_size) in CelebA's framing to chips (B, 3, 112, 112), both in [0, 1].

    A free rotation of the warp (see `Chips`) would be below half a degree.
    """

    def __init__(self, image_size: tuple[int, int] = CELEBA_SIZE) -> None:
        # ArcFace's points count pixel centres from 0.
        super().__init__(np.array(ARCFACE_POINTS) + 0.5, ARCFACE_SIZE, image_size)


def _convolution(channels_in: int, channels: int, size: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels, size, stride=stride, padding=size // 2, groups=groups),
        nn.PReLU(channels),
    ]

"""dlib's 29-layer face recognition network in PyTorch, so that gradients reach the image.

The architecture is that of dlib's `dnn_face_recognition_ex.cpp`; the weights (CC0) come from dlib's file.
`FaceChips` converts aligned faces to its input.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pfgvm.faces.geometry import CELEBA_SIZE
from pfgvm.models.face_chips import Chips

CHIP_SIZE = 150
DESCRIPTOR_SIZE = 128
CHANNEL_MEANS = (122.782, 117.001, 104.298)
STEM_CHANNELS = 32
# (channels, blocks, whether the first block halves the size), from the image to the descriptor
LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))

# Eye centres, nose tip, mouth corners (x, y), relative to the face box. From the mean face in dlib's
# `get_face_chip_details`: the means over landmarks 36-41 and 42-47, then landmarks 30, 48 and 54.
TEMPLATE_POINTS = (
    (0.225492, 0.215990),
    (0.754761, 0.215990),
    (0.490127, 0.515625),
    (0.254149, 0.780233),
    (0.726104, 0.780233),
)
TEMPLATE_PADDING = 0.25


class Affine(nn.BatchNorm2d):
    """dlib's `affine` layer: a frozen scale and shift per channel, as batch normalisation with statistics 0 and 1."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=1e-30)  # must be positive; 1 + 1e-30 is 1
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "Affine":
        """Stay in eval mode for every `mode`, since the statistics are fixed."""
        return super().train(False)


class Block(nn.Module):
    """A residual block of two convolutions; `down` halves the size in the first convolution and the skip path."""

    def __init__(self, channels_in: int, channels: int, down: bool):
        super().__init__()
        self.down = down
        # dlib pads convolutions only at stride 1
        first = (
            nn.Conv2d(channels_in, channels, 3, stride=2) if down else nn.Conv2d(channels_in, channels, 3, padding=1)
        )
        self.body = nn.Sequential(
            first,
            Affine(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            Affine(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels_in, H, W) to (B, channels, H, W), or to about half of H and W."""
        y = self.body(x)
        if self.down:
            x = F.avg_pool2d(x, 2)
            # dlib's add_prev pads the smaller summand with zeros in channels, rows and columns
            x = F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
            y = F.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
        return F.relu_(x + y)


class DlibFace(nn.Module):
    """dlib's face descriptor: RGB chips (B, 3, 150, 150) in [0, 1] to descriptors (B, 128).

    A new object has random weights; `dlib_file.load` returns the trained network. By dlib's rule, two chips show the
    same identity if the distance of their descriptors is below 0.6.
    """

    means: Tensor

    def __init__(self) -> None:
        super().__init__()
        means = torch.tensor(CHANNEL_MEANS).view(1, 3, 1, 1)
        self.register_buffer("means", means, persistent=False)
        self.stem = nn.Sequential(
            nn.Conv2d(3, STEM_CHANNELS, 7, stride=2),
            Affine(STEM_CHANNELS),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        blocks, before = [], STEM_CHANNELS
        for channels, count, down in LEVELS:
            for i in range(count):
                blocks.append(Block(before, channels, down and i == 0))
                before = channels
        self.blocks = nn.Sequential(*blocks)
        self.descriptor = nn.Linear(before, DESCRIPTOR_SIZE, bias=False)

    def forward(self, chips: Tensor) -> Tensor:
        """Descriptors (B, 128) of `chips`."""
        x = (255 * chips - self.means) / 256
        x = self.blocks(self.stem(x))
        return self.descriptor(x.mean(dim=(2, 3)))


class FaceChips(Chips):
    """Aligned faces (B, 3, *image_size) in CelebA's framing to chips (B, 3, 150, 150), both in [0, 1].

    A free rotation of the warp (see `Chips`) would be -0.18 degrees: a quarter of a pixel at the corners, within the
    landmarks' rounding. It would change descriptors by about 0.01. In a 218 x 178 image a chip covers columns 35 to 143
    and rows 78 to 186, and enlarges them 1.39 times.
    """

    def __init__(self, image_size: tuple[int, int] = CELEBA_SIZE) -> None:
        template = (TEMPLATE_PADDING + np.array(TEMPLATE_POINTS)) / (1 + 2 * TEMPLATE_PADDING) * CHIP_SIZE
        super().__init__(template, CHIP_SIZE, image_size)

"""dlib's 29-layer face recognition network in PyTorch, so that gradients reach the image.

The architecture is that of dlib's `dnn_face_recognition_ex.cpp`; the weights (CC0) come from dlib's file.
`FaceChips` converts aligned faces to its input.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pfgvm.faces.geometry import CELEBA_POINTS, CELEBA_SIZE

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


class FaceChips(nn.Module):
    """Aligned faces (B, 3, *image_size) in CelebA's framing to chips (B, 3, 150, 150), both in [0, 1].

    One fixed warp for every image: the least-squares similarity without rotation from dlib's chip template to
    CelebA's mean landmarks (see `chip_placement`), sampled bilinearly. Without rotation it is separable: two small
    matrix products, whose gradient is deterministic (unlike that of `grid_sample` on CUDA). In a 218 x 178 image
    a chip covers columns 35 to 143 and rows 78 to 186, inside the image, and enlarges them 1.39 times; bilinear
    sampling skips pixels only in images above 302 x 247.

    image_size: (height, width); CelebA's framing at any scale.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, image_size: tuple[int, int] = CELEBA_SIZE) -> None:
        super().__init__()
        scale, left, top = chip_placement()
        self.under_rows, rows = _sampling(scale, top, image_size[0], CELEBA_SIZE[0])
        self.under_columns, columns = _sampling(scale, left, image_size[1], CELEBA_SIZE[1])
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns.T.contiguous(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Chips (B, 3, 150, 150) of `images`."""
        # pixels outside the chip have weight 0; omitting them halves the time
        return self.rows @ (images[..., self.under_rows, self.under_columns] @ self.columns)


def chip_placement() -> tuple[float, float, float]:
    """Position of the chip in a 218 x 178 image: (scale, left, top).

    image point = scale * chip point + (left, top). Chip points run from 0 to 150 between the chip's edges,
    image points count pixel centres from 0. The three numbers minimise the squared distances between the
    transformed template and CelebA's mean landmarks. A free rotation would be -0.18 degrees: a quarter of a
    pixel at the corners, within the landmarks' rounding. It would change descriptors by about 0.01.
    """
    template = (TEMPLATE_PADDING + np.array(TEMPLATE_POINTS)) / (1 + 2 * TEMPLATE_PADDING) * CHIP_SIZE
    landmarks = np.array(CELEBA_POINTS)
    spread = template - template.mean(axis=0)
    scale = (spread * landmarks).sum() / (spread**2).sum()
    left, top = landmarks.mean(axis=0) - scale * template.mean(axis=0)
    return float(scale), float(left), float(top)


def _sampling(scale: float, start: float, size: int, celeba_size: int) -> tuple[slice, Tensor]:
    """Rows (or columns) of an image under its chip, and their interpolation weights (150, rows)."""
    in_celeba = scale * (np.arange(CHIP_SIZE) + 0.5) + start
    # images of different sizes share their edges, not their pixel centres
    positions = (in_celeba + 0.5) * size / celeba_size - 0.5
    weights = np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(size)))
    used = np.flatnonzero(weights.any(axis=0))
    under = slice(int(used[0]), int(used[-1]) + 1)
    return under, torch.from_numpy(weights[:, under].astype(np.float32))

"""dlib's 29-layer face recognition network in PyTorch, so that gradients reach the image.

The architecture is that of dlib's `dnn_face_recognition_ex.cpp`; the weights (CC0) come from dlib's own file.
An aligned face enters through `FaceChips`: `nn.Sequential(FaceChips(image_size), dlib_face.load(), head)`.
"""

import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pfgvm.errors import InputError

CHIP_SIZE = 150
DESCRIPTOR_SIZE = 128
CHANNEL_MEANS = (122.782, 117.001, 104.298)
STEM_CHANNELS = 32
# (channels, blocks, whether the first block halves the size), from the image to the descriptor
LEVELS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))

# Eye centres, nose tip, mouth corners (x, y), as parts of the face box: of the mean face in dlib's
# `get_face_chip_details` the means over landmarks 36-41 and 42-47, then landmarks 30, 48 and 54.
TEMPLATE_POINTS = ((0.225492, 0.215990), (0.754761, 0.215990), (0.490127, 0.515625),
                   (0.254149, 0.780233), (0.726104, 0.780233))
TEMPLATE_PADDING = 0.25
# The same five, as means over CelebA's aligned images, in pixels.
CELEBA_POINTS = ((69.5, 111.0), (107.5, 111.0), (88.0, 135.0), (72.0, 152.0), (105.5, 152.0))
CELEBA_SIZE = (218, 178)

_PACKAGE = "face_recognition_models"
_FILE_NAME = "dlib_face_recognition_resnet_model_v1.dat"
_REMEDY = f"take {_FILE_NAME} from the package face-recognition-models 0.3.0"


class Affine(nn.BatchNorm2d):
    """dlib's `affine` layer: one frozen scale and shift a channel.

    A batch norm whose statistics stay 0 and 1: `fuse_conv_bn_eval` folds it into the convolution before it.
    """

    def __init__(self, channels: int):
        super().__init__(channels, eps=1e-30)  # PyTorch wants some; 1 + 1e-30 is 1
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "Affine":
        """Stay in evaluation mode whatever `mode` says: the statistics are not this layer's to learn."""
        return super().train(False)


class Block(nn.Module):
    """A residual block of two convolutions; `down` halves the size in the first one and in the skip path."""

    def __init__(self, channels_in: int, channels: int, down: bool):
        super().__init__()
        self.down = down
        # dlib's convolutions are padded only where their stride is 1
        first = (nn.Conv2d(channels_in, channels, 3, stride=2) if down
                 else nn.Conv2d(channels_in, channels, 3, padding=1))
        self.body = nn.Sequential(first, Affine(channels), nn.ReLU(inplace=True),
                                  nn.Conv2d(channels, channels, 3, padding=1), Affine(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        if self.down:
            x = F.avg_pool2d(x, 2)
            # dlib's add_prev takes what a summand lacks, in channels as in rows and columns, as zero
            x = F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
            y = F.pad(y, (0, x.shape[3] - y.shape[3], 0, x.shape[2] - y.shape[2]))
        return F.relu_(x + y)


class DlibFace(nn.Module):
    """dlib's face descriptor: RGB chips (B, 3, 150, 150) in [0, 1] → the 128 numbers of dlib, (B, 128).

    A new object has random weights; `load` gives the trained network. By dlib's rule two chips show the same
    person where their descriptors are less than 0.6 apart.
    """

    def __init__(self):
        super().__init__()
        means = torch.tensor(CHANNEL_MEANS).view(1, 3, 1, 1)
        self.register_buffer("means", means, persistent=False)
        self.stem = nn.Sequential(nn.Conv2d(3, STEM_CHANNELS, 7, stride=2), Affine(STEM_CHANNELS),
                                  nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2))
        blocks, before = [], STEM_CHANNELS
        for channels, count, down in LEVELS:
            for i in range(count):
                blocks.append(Block(before, channels, down and i == 0))
                before = channels
        self.blocks = nn.Sequential(*blocks)
        self.descriptor = nn.Linear(before, DESCRIPTOR_SIZE, bias=False)

    def forward(self, chips: Tensor) -> Tensor:
        x = (255 * chips - self.means) / 256
        x = self.blocks(self.stem(x))
        return self.descriptor(x.mean(dim=(2, 3)))


class FaceChips(nn.Module):
    """Aligned faces (B, 3, *image_size) in CelebA's framing → chips (B, 3, 150, 150), both in [0, 1].

    One fixed warp for every image: the least-squares similarity without rotation that takes dlib's chip
    template onto CelebA's mean landmarks (see `chip_placement`), sampled bilinearly. Being upright it is
    separable: two small matrix products, whose gradient is deterministic (that of `grid_sample` is not on
    CUDA). In a 218 x 178 image a chip covers columns 35 to 143 and rows 78 to 186, so it never reaches
    outside, and enlarges them 1.39 times; bilinear sampling skips pixels only in images above 302 x 247.

    image_size: (height, width); CelebA's framing at any scale.
    """

    def __init__(self, image_size: tuple[int, int] = CELEBA_SIZE):
        super().__init__()
        scale, left, top = chip_placement()
        self.under_rows, rows = _sampling(scale, top, image_size[0], CELEBA_SIZE[0])
        self.under_columns, columns = _sampling(scale, left, image_size[1], CELEBA_SIZE[1])
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns.T.contiguous(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        # what lies outside the chip has weight 0; leaving it out halves the time
        return self.rows @ (images[..., self.under_rows, self.under_columns] @ self.columns)


def chip_placement() -> tuple[float, float, float]:
    """Where the chip lies in a 218 x 178 image: (scale, left, top).

    image point = scale * chip point + (left, top). Chip points run from 0 to 150 between the chip's edges,
    image points count pixel centres from 0. The three numbers minimise the squared distances between the
    moved template and CelebA's mean landmarks. A free rotation would come out at -0.18 degrees: a quarter of
    a pixel at the corners, no more than the landmarks' rounding; it moves descriptors by about 0.01.
    """
    template = (TEMPLATE_PADDING + np.array(TEMPLATE_POINTS)) / (1 + 2 * TEMPLATE_PADDING) * CHIP_SIZE
    landmarks = np.array(CELEBA_POINTS)
    spread = template - template.mean(axis=0)
    scale = (spread * landmarks).sum() / (spread ** 2).sum()
    left, top = landmarks.mean(axis=0) - scale * template.mean(axis=0)
    return float(scale), float(left), float(top)


def _sampling(scale: float, start: float, size: int, celeba_size: int) -> tuple[slice, Tensor]:
    """Which rows (or columns) of an image lie under its chip, and their weights (150, rows) in the chip's."""
    in_celeba = scale * (np.arange(CHIP_SIZE) + 0.5) + start
    # images of two sizes share their edges, not their pixel centres
    positions = (in_celeba + 0.5) * size / celeba_size - 0.5
    weights = np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(size)))
    used = np.flatnonzero(weights.any(axis=0))
    under = slice(int(used[0]), int(used[-1]) + 1)
    return under, torch.from_numpy(weights[:, under].astype(np.float32))


def weights_path() -> Path:
    """The weights file inside the installed package face-recognition-models; InputError where it is missing.

    The package is only looked up, never imported: its own import fails on current Pythons.
    """
    spec = find_spec(_PACKAGE)
    path = Path(spec.submodule_search_locations[0], "models", _FILE_NAME) if spec else None
    if path is None or not path.is_file():
        raise InputError(f"dlib's face network {_FILE_NAME} is missing: "
                         "install the package face-recognition-models 0.3.0 (`make setup` does)")
    return path


def load(path: str | Path | None = None) -> DlibFace:
    """The trained network in evaluation mode, from dlib's weights file (None: the installed one).

    InputError: see `weights_path` and `read_weights`.
    """
    face = DlibFace()
    face.load_state_dict(read_weights(weights_path() if path is None else path))
    return face.eval()


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The state of `DlibFace` from dlib's serialised network (`dlib_face_recognition_resnet_model_v1.dat`).

    The file is data: it is walked layer by layer against this architecture, and nothing in it is executed.
    Raises InputError naming the file when it cannot be read, ends early, goes on too long or differs.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): {_REMEDY}") from error
    face = DlibFace()
    try:
        _read_network(_Archive(content), face)
    except _Unexpected as error:
        raise InputError(f"{path} is not dlib's face network ({error}): {_REMEDY}") from error
    return face.state_dict()


class _Unexpected(Exception):
    """The file is not what the architecture asks for; the message says where and how."""


class _Archive:
    """dlib's portable serialisation, read from the front (dlib/serialize.h, dlib/float_details.h)."""

    def __init__(self, content: bytes):
        self._content = content
        self._at = 0

    def _take(self, count: int) -> bytes:
        taken = self._content[self._at:self._at + count]
        if len(taken) < count:
            raise _Unexpected(f"it ends at byte {len(self._content)}, too early")
        self._at += count
        return taken

    def _integer(self) -> int:
        """A control byte (sign, number of bytes), then the magnitude, lowest byte first."""
        control = self._take(1)[0]
        size = control & 0x0F
        if control & 0x70 or not 1 <= size <= 8:
            raise _Unexpected(f"no number at byte {self._at - 1}")
        magnitude = int.from_bytes(self._take(size), "little")
        return -magnitude if control & 0x80 else magnitude

    def integers(self, *expected: int) -> None:
        for value in expected:
            start = self._at
            found = self._integer()
            if found != value:
                raise _Unexpected(f"{found} instead of {value} at byte {start}")

    def text(self, expected: str) -> None:
        start = self._at
        self.integers(len(expected))
        if self._take(len(expected)) != expected.encode("ascii"):
            raise _Unexpected(f"no layer {expected!r} at byte {start}")

    def reals(self, count: int) -> list[float]:
        """Mantissa and binary exponent of each."""
        values = []
        for _ in range(count):
            mantissa, exponent = self._integer(), self._integer()
            if abs(exponent) > 128:
                raise _Unexpected(f"no real number before byte {self._at}")
            values.append(math.ldexp(mantissa, exponent))
        return values

    def shape(self, version: int, *expected: int) -> None:
        """A version and four sizes; sizes not given are 1."""
        self.integers(version, *expected, *[1] * (4 - len(expected)))

    def tensor(self, *shape: int) -> Tensor:
        self.shape(2, *shape)
        raw = self._take(4 * math.prod(shape))
        values = torch.from_numpy(np.frombuffer(raw, "<f4").astype(np.float32)).view(shape)
        if not values.isfinite().all():
            raise _Unexpected(f"weights that are not finite before byte {self._at}")
        return values

    def layer_end(self) -> None:
        """Three flags and three empty tensors (dlib's buffers), which follow every layer."""
        start = self._at
        if set(self._take(3)) - set(b"01"):
            raise _Unexpected(f"no flags at byte {start}")
        for _ in range(3):
            self.shape(2, 0, 0, 0, 0)

    def end(self) -> None:
        if self._at != len(self._content):
            raise _Unexpected(f"it goes on after byte {self._at}")


def _read_network(archive: _Archive, face: DlibFace) -> None:
    """Fill `face` from `archive`: dlib writes the loss, then the layers from the image outwards."""
    archive.integers(1)
    archive.text("loss_metric_2")
    archive.reals(2)
    archive.integers(*_nesting(face))
    _read_input(archive)
    convolution, affine, _, _ = face.stem
    _read_convolution(archive, convolution)
    archive.integers(1)  # images that one input gives, written by the layer next to the input
    _read_affine(archive, affine)
    _read_layer(archive, "relu_")
    _read_layer(archive, "max_pool_2", 3, 3, 2, 2, 0, 0)
    for block in face.blocks:
        _read_block(archive, block)
    _read_layer(archive, "avg_pool_2", 0, 0, 1, 1, 0, 0)
    _read_descriptor(archive, face.descriptor)
    archive.end()


def _nesting(face: DlibFace) -> list[int]:
    """The versions of dlib's nested layer types, outermost first: 2 a layer, 1 a tag or skip."""
    plain = [2] * 7 + [1]  # relu, add_prev, affine, con, relu, affine, con, tag
    down = [2] * 3 + [1] * 2 + [2] * 5 + [1]  # relu, add_prev, avg_pool, skip, tag, then as above
    versions = [2, 2]  # fc, avg_pool
    for block in reversed(face.blocks):
        versions += down if block.down else plain
    return versions + [2, 2, 2, 3]  # max_pool, relu, affine, con; 3 where the input follows


def _read_input(archive: _Archive) -> None:
    archive.text("input_rgb_image_sized")
    if not np.allclose(archive.reals(3), CHANNEL_MEANS, atol=1e-4):
        raise _Unexpected("other channel means")
    archive.integers(CHIP_SIZE, CHIP_SIZE)


def _read_block(archive: _Archive, block: Block) -> None:
    first, first_affine, _, second, second_affine = block.body
    _read_convolution(archive, first)
    _read_affine(archive, first_affine)
    _read_layer(archive, "relu_")
    _read_convolution(archive, second)
    _read_affine(archive, second_affine)
    if block.down:
        _read_layer(archive, "avg_pool_2", 2, 2, 2, 2, 0, 0)
    _read_layer(archive, "add_prev_")
    _read_layer(archive, "relu_")


def _read_layer(archive: _Archive, name: str, *numbers: int) -> None:
    """A layer without weights: kernel, stride and padding where it has them."""
    archive.text(name)
    archive.integers(*numbers)
    archive.layer_end()


@torch.no_grad()
def _read_convolution(archive: _Archive, layer: nn.Conv2d) -> None:
    shape, filters = layer.weight.shape, layer.out_channels
    archive.text("con_4")
    values = archive.tensor(layer.weight.numel() + filters, 1, 1, 1)
    archive.integers(filters, *layer.kernel_size, *layer.stride, *layer.padding)
    archive.shape(1, *shape)
    archive.shape(1, 1, filters)
    archive.reals(4)  # learning rates and weight decays
    archive.layer_end()
    layer.weight.copy_(values[:-filters].view(shape))
    layer.bias.copy_(values[-filters:].flatten())


@torch.no_grad()
def _read_affine(archive: _Archive, layer: Affine) -> None:
    channels = layer.num_features
    archive.text("affine_")
    values = archive.tensor(2 * channels, 1, 1, 1)
    archive.shape(1, 1, channels)
    archive.shape(1, 1, channels)
    archive.integers(0)  # a channel, not a single value, shares its scale
    archive.layer_end()
    layer.weight.copy_(values[:channels].flatten())
    layer.bias.copy_(values[channels:].flatten())


@torch.no_grad()
def _read_descriptor(archive: _Archive, layer: nn.Linear) -> None:
    size, inputs = layer.weight.shape
    archive.text("fc_2")
    archive.integers(size, inputs)
    values = archive.tensor(inputs, size, 1, 1)
    archive.shape(1, inputs, size)
    archive.shape(1, 0, 0, 0, 0)  # no bias
    archive.integers(1)
    archive.reals(4)
    archive.layer_end()
    layer.weight.copy_(values.view(inputs, size).T)

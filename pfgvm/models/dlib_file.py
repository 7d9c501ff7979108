"""Reader of dlib's weights file, as data: nothing in it is executed."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from pfgvm.errors import InputError
from pfgvm.models.dlib_face import CHANNEL_MEANS, CHIP_SIZE, Affine, Block, DlibFace
from pfgvm.models.installed_weights import dlib_weights

_REMEDY = "use dlib_face_recognition_resnet_model_v1.dat of the package face-recognition-models 0.3.0"


def load(path: str | Path | None = None) -> DlibFace:
    """The trained network in eval mode, from dlib's weights file (None: the installed file).

    Errors as in `dlib_weights` and `read_weights`.
    """
    face = DlibFace()
    face.load_state_dict(read_weights(dlib_weights() if path is None else path))
    return face.eval()


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """State dict of `DlibFace` from dlib's serialised network (`dlib_face_recognition_resnet_model_v1.dat`).

    The file is parsed layer by layer against this architecture; nothing in it is executed. Raises InputError, naming
    the file, if it is unreadable, too short, too long or of another architecture.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}") from error
    face = DlibFace()
    try:
        _read_network(_Archive(content), face)
    except _Unexpected as error:
        raise InputError(f"{path}: is not dlib's face network ({error}); {_REMEDY}") from error
    return face.state_dict()


class _Unexpected(Exception):
    """Content that does not match the architecture; the message states position and difference."""


class _Archive:
    """Sequential reader of dlib's portable serialisation (dlib/serialize.h, dlib/float_details.h)."""

    def __init__(self, content: bytes):
        self._content = content
        self._at = 0

    def _take(self, count: int) -> bytes:
        data = self._content[self._at : self._at + count]
        if len(data) < count:
            raise _Unexpected(f"it ends at byte {len(self._content)}, too early")
        self._at += count
        return data

    def _integer(self) -> int:
        """A control byte (sign, number of bytes), then the magnitude in little-endian order."""
        control = self._take(1)[0]
        size = control & 0x0F
        if control & 0x70 or not 1 <= size <= 8:
            raise _Unexpected(f"no number at byte {self._at - 1}")
        magnitude = int.from_bytes(self._take(size), "little")
        return -magnitude if control & 0x80 else magnitude

    def integers(self, *expected: int) -> None:
        for value in expected:
            start = self._at
            number = self._integer()
            if number != value:
                raise _Unexpected(f"{number} instead of {value} at byte {start}")

    def text(self, expected: str) -> None:
        start = self._at
        self.integers(len(expected))
        if self._take(len(expected)) != expected.encode("ascii"):
            raise _Unexpected(f"no layer {expected!r} at byte {start}")

    def reals(self, count: int) -> list[float]:
        """Real numbers, each stored as mantissa and binary exponent."""
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


# The layers of a Sequential are typed as modules of any kind.
_Layers = Iterable[Any]


def _read_network(archive: _Archive, face: DlibFace) -> None:
    """Fill `face` from `archive`; dlib writes the loss, then the layers from the image on."""
    archive.integers(1)
    archive.text("loss_metric_2")
    archive.reals(2)
    archive.integers(*_nesting(face))
    _read_input(archive)
    convolution, affine, *_ = cast(_Layers, face.stem)
    _read_convolution(archive, convolution)
    archive.integers(1)  # images per input, written by the first layer
    _read_affine(archive, affine)
    _read_layer(archive, "relu_")
    _read_layer(archive, "max_pool_2", 3, 3, 2, 2, 0, 0)
    for block in cast(Iterable[Block], face.blocks):
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
    return [*versions, 2, 2, 2, 3]  # max_pool, relu, affine, con; 3 before the input


def _read_input(archive: _Archive) -> None:
    archive.text("input_rgb_image_sized")
    if not np.allclose(archive.reals(3), CHANNEL_MEANS, atol=1e-4):
        raise _Unexpected("other channel means")
    archive.integers(CHIP_SIZE, CHIP_SIZE)


def _read_block(archive: _Archive, block: Block) -> None:
    first, first_affine, _, second, second_affine = cast(_Layers, block.body)
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
    """Read a layer without weights: kernel, stride and padding, if it has them."""
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
    assert layer.bias is not None
    layer.bias.copy_(values[-filters:].flatten())


@torch.no_grad()
def _read_affine(archive: _Archive, layer: Affine) -> None:
    channels = layer.num_features
    archive.text("affine_")
    values = archive.tensor(2 * channels, 1, 1, 1)
    archive.shape(1, 1, channels)
    archive.shape(1, 1, channels)
    archive.integers(0)  # one scale per channel, not per value
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

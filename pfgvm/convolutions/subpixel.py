"""The gradient of a convolution by an image of few channels, computed as a sub-pixel convolution."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pixel_shuffle

from pfgvm.convolutions.plain import is_plain

# Blocks of 2 x 2 pixels of 4 channels fill a CPU's vector of 16 numbers; strides must divide the block's side.
_BLOCK = 2
_FEW, _STRIDES = 4, ((1, 1), (2, 2))


class FewChannels(nn.Module):
    """`layer` for gradients by its input alone, which come sooner on a CPU. For which layers: see `serves`.

    Vectors compute 16 channels at once: of a gradient of 3 channels, 13 for nothing. Here the channels of four
    neighbouring pixels are computed together by a convolution of the output's gradient, and then put in their places:
    the sub-pixel convolution of Shi et al. (CVPR 2016). Its sums are those of the transposed convolution.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, images: Tensor) -> Tensor:
        """What `layer` gives for images, (B, C, H, W)."""
        return _Convolution.apply(images, self.layer.weight, self.layer.bias, self.layer.stride, _padding(self.layer))


def serves(layer: nn.Module) -> bool:
    """Whether `layer` is a plain convolution that FewChannels can compute.

    It must have few channels, stride 1 or 2, and as much padding on either side.
    """
    return (
        is_plain(layer)
        and layer.in_channels <= _FEW
        and layer.stride in _STRIDES
        and (layer.padding != "same" or all(size % 2 for size in layer.kernel_size))
    )


def _padding(layer: nn.Conv2d) -> tuple[int, int]:
    named = {"valid": (0, 0), "same": tuple(size // 2 for size in layer.kernel_size)}
    return named[layer.padding] if isinstance(layer.padding, str) else layer.padding


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images, weight, bias, stride, padding):
        ctx.save_for_backward(weight)
        ctx.stride, ctx.padding, ctx.size = stride, padding, images.shape[2:]
        return conv2d(images, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx, gradient):
        (weight,) = ctx.saved_tensors
        return input_gradient(gradient, weight, ctx.stride, ctx.padding, ctx.size), None, None, None, None


def input_gradient(
    gradient: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int], size: tuple[int, int]
) -> Tensor:
    """The gradient of a convolution by its input, from the one by its output.

    gradient: (B, O, G, G'). weight: (O, C, K, K'). stride: (1, 1) or (2, 2). size: (H, W), the input's.
    Returns (B, C, H, W).
    """
    axes = zip(weight.shape[2:], stride, padding, size, gradient.shape[2:])
    (rows, row_padding), (columns, column_padding) = (_taps(*axis) for axis in axes)
    # In pixel_shuffle's order: channel, then row and column within the block.
    blocks = torch.einsum("ockl,atk,bul->cabotu", weight, rows.to(weight), columns.to(weight)).flatten(0, 2)
    blocks = blocks.contiguous(memory_format=torch.channels_last)
    steps = tuple(_BLOCK // length for length in stride)
    shuffled = pixel_shuffle(conv2d(gradient, blocks, stride=steps, padding=(row_padding, column_padding)), _BLOCK)
    return shuffled[..., : size[0], : size[1]]


def _taps(kernel: int, stride: int, padding: int, size: int, outputs: int) -> tuple[Tensor, int]:
    """Along one axis: which tap t of a block's convolution is which tap k of the kernel, (block, t, k); its padding.

    Pixel a of block q takes part in output step·q + t by tap k = a + padding − stride·t.
    """
    first, last = -((kernel - 1 - padding) // stride), (_BLOCK - 1 + padding) // stride
    step, count = _BLOCK // stride, -(-size // _BLOCK)
    # Zeros that the last block needs at the end stand at the beginning too.
    before = max(0, -first, step * (count - 1) + last + 1 - outputs)
    t = torch.arange(-before, last + 1)
    k = torch.arange(_BLOCK)[:, None] + padding - stride * t
    return k[..., None] == torch.arange(kernel), before

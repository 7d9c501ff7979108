"""A 3 x 3 convolution of many channels by Winograd's minimal filtering, F(4 x 4, 3 x 3)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from pfgvm.convolutions.plain import is_plain

# A tile of 6 x 6 inputs gives 4 x 4 outputs. Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (CVPR
# 2016), Section 4: Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, here with the interpolation points 0, ±1, ±2, ∞.
_TILE, _STEP = 6, 4
_B_T = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_G = (
    (1 / 4, 0, 0),
    (-1 / 6,) * 3,
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_A_T = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
# With fewer, the transforms cost more than the products that they save.
_MANY = 128
# Of maps whose tiles a CPU's caches still hold.
_VALUES_AT_A_TIME = 1_300_000


class ManyChannels(nn.Module):
    """`layer`, and its gradient by its input, with a quarter of the multiplications. For which layers: see `serves`.

    The sums are those of the convolution, rounded a little more: to about 5e-6 of the largest output in float32.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.bias = layer.bias
        weight = layer.weight.detach()
        self.kernels = _transformed(weight)
        # By the input: the same with channels exchanged and the kernel turned by half a circle.
        self.turned = _transformed(weight.transpose(0, 1).flip(2, 3))

    def forward(self, maps: Tensor) -> Tensor:
        """What the layer gives for maps, (B, C, H, W)."""
        outputs = _Convolution.apply(maps, self.kernels, self.turned)
        return outputs if self.bias is None else outputs + self.bias.view(-1, 1, 1)


def serves(layer: nn.Module) -> bool:
    """Whether `layer` is a plain convolution that ManyChannels can compute: 3 x 3, stride 1, padded to the same size.

    It must have many channels. No layer is served while matrix products round their factors to less than float32: the
    transforms are such products, and enlarge what is rounded.
    """
    return (
        is_plain(layer)
        and min(layer.in_channels, layer.out_channels) >= _MANY
        and (layer.kernel_size, layer.stride) == ((3, 3), (1, 1))
        and layer.padding in ("same", (1, 1))
        and torch.backends.mkldnn.matmul.fp32_precision in ("ieee", "none")
    )


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, maps, kernels, turned):
        ctx.turned = turned
        return _convolved(maps, kernels)

    @staticmethod
    def backward(ctx, gradient):
        return _convolved(gradient, ctx.turned), None, None


def _transformed(weight: Tensor) -> Tensor:
    """G g Gᵀ of each kernel of `weight`, (O, C, 3, 3): (36, C, O)."""
    g = weight.new_tensor(_G)
    return torch.einsum("ai,bj,ocij->abco", g, g, weight).flatten(0, 1).contiguous()


def _convolved(maps: Tensor, kernels: Tensor) -> Tensor:
    """The convolution of maps, (B, C, H, W), padded by one, with transformed kernels: (B, O, H, W)."""
    few = max(1, _VALUES_AT_A_TIME // maps.shape[1:].numel())
    return torch.cat([_few_convolved(some, kernels) for some in maps.split(few)])


def _few_convolved(maps: Tensor, kernels: Tensor) -> Tensor:
    (count, channels, height, width), outputs = maps.shape, kernels.shape[2]
    rows, columns = -(-height // _STEP), -(-width // _STEP)
    rest = (1, _STEP * columns + 1 - width, 1, _STEP * rows + 1 - height)
    # As matrices of one row for each place in a tile, both transforms, of rows and of columns, are one product.
    tiles = pad(maps.permute(0, 2, 3, 1), (0, 0, *rest)).unfold(1, _TILE, _STEP).unfold(2, _TILE, _STEP)
    tiles = tiles.permute(4, 5, 0, 1, 2, 3).reshape(_TILE**2, -1)
    tiles = _both_ways(maps, _B_T) @ tiles
    products = torch.bmm(tiles.view(_TILE**2, -1, channels), kernels).view(_TILE**2, -1)
    found = (_both_ways(maps, _A_T) @ products).view(_STEP, _STEP, count, rows, columns, outputs)
    found = found.permute(2, 3, 0, 4, 1, 5).reshape(count, _STEP * rows, _STEP * columns, outputs)
    return found[:, :height, :width].permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _both_ways(like: Tensor, transform: tuple) -> Tensor:
    matrix = like.new_tensor(transform)
    return torch.kron(matrix, matrix)

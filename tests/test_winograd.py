"""Winograd's convolution and its gradient are the ordinary ones, whatever the maps' size."""

import pytest
import torch
from torch import nn

from pfgvm.convolutions.winograd import ManyChannels, serves
from tests.test_subpixel import gradient


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("padding", [1, "same"])
@pytest.mark.parametrize("size", [(1, 1), (3, 4), (4, 8), (7, 5), (9, 13)], ids=str)
def test_outputs_and_gradients_are_those_of_the_convolution(size, padding, bias):
    torch.manual_seed(0)
    layer = nn.Conv2d(128, 130, 3, padding=padding, bias=bias).double()
    assert serves(layer)
    maps = torch.randn(2, 128, *size, dtype=torch.float64)
    torch.testing.assert_close(ManyChannels(layer)(maps), layer(maps))
    torch.testing.assert_close(gradient(ManyChannels(layer), maps), gradient(layer, maps))


def test_in_float32_it_rounds_to_a_few_millionths():
    torch.manual_seed(0)
    layer, maps = nn.Conv2d(256, 256, 3, padding=1), torch.rand(2, 256, 14, 11)
    found = ManyChannels(layer)(maps).double()
    expected = layer.double()(maps.double())
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_no_maps_are_no_fault():
    maps = torch.rand(0, 128, 5, 5, requires_grad=True)
    outputs = ManyChannels(nn.Conv2d(128, 128, 3, padding=1))(maps)
    outputs.sum().backward()
    assert outputs.shape == maps.grad.shape == maps.shape


def test_the_outputs_lie_with_their_channels_innermost():
    outputs = ManyChannels(nn.Conv2d(128, 128, 3, padding=1))(torch.rand(2, 128, 6, 5))
    assert outputs.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(128, 127, 3, padding=1),
        nn.Conv2d(64, 128, 3, padding=1),
        nn.Conv2d(128, 128, 3),
        nn.Conv2d(128, 128, 5, padding="same"),
        nn.Conv2d(128, 128, 3, stride=2, padding=1),
        nn.Conv2d(128, 128, 3, padding=1, dilation=2),
        nn.Conv2d(128, 128, 3, padding=1, groups=2),
        nn.Conv2d(128, 128, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(128, 128, 3, padding=1, device="meta"),
        nn.ConvTranspose2d(128, 128, 3, padding=1),
        nn.utils.weight_norm(nn.Conv2d(128, 128, 3, padding=1)),
    ],
    ids=str,
)
def test_other_layers_are_left_alone(layer):
    assert not serves(layer)


@pytest.fixture
def products():
    matmul = torch.backends.mkldnn.matmul
    before = matmul.fp32_precision
    yield matmul
    matmul.fp32_precision = before


@pytest.mark.parametrize("precision", ["bf16", "tf32"])
def test_no_layer_is_served_while_products_are_rounded(products, precision):
    layer = nn.Conv2d(128, 128, 3, padding=1)
    assert serves(layer)
    products.fp32_precision = precision
    assert not serves(layer)

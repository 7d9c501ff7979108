"""The gradient through a convolution of few channels is the ordinary one, whatever its shape."""

from itertools import product

import pytest
import torch
from torch import nn

from pfgvm.convolutions.subpixel import FewChannels, serves

KERNELS, STRIDES, PADDINGS = (1, (2, 3), 3, 4, 5, 7), (1, 2), (0, 1, (2, 3), "same", "valid")
SIZES = ((9, 9), (10, 12), (11, 10))


def gradient(layer: nn.Module, images: torch.Tensor) -> torch.Tensor:
    images = images.clone().requires_grad_()
    outputs = layer(images)
    outputs.backward(torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1), dtype=outputs.dtype))
    return images.grad


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("stride", STRIDES)
def test_outputs_and_gradients_are_those_of_the_convolution(channels, stride):
    tried = 0
    for kernel, padding, size in product(KERNELS, PADDINGS, SIZES):
        if stride == 2 and padding == "same":
            continue  # PyTorch has no such layer
        torch.manual_seed(0)
        layer = nn.Conv2d(channels, 5, kernel, stride, padding).double()
        if not serves(layer):
            continue
        images = torch.rand(2, channels, *size, dtype=torch.float64)
        assert torch.equal(FewChannels(layer)(images), layer(images))
        torch.testing.assert_close(gradient(FewChannels(layer), images), gradient(layer, images))
        tried += 1
    assert tried == {1: 84, 2: 72}[stride]


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(5, 8, 3),
        nn.Conv2d(3, 8, 3, stride=3),
        nn.Conv2d(3, 8, 3, dilation=2),
        nn.Conv2d(3, 9, 3, groups=3),
        nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 8, 4, padding="same"),
        nn.ConvTranspose2d(3, 8, 3),
        nn.Linear(3, 8),
    ],
    ids=str,
)
def test_other_layers_are_left_alone(layer):
    assert not serves(layer)


def test_a_layer_with_hooks_is_left_alone():
    layer = nn.Conv2d(3, 8, 3)
    assert serves(layer)
    layer.register_forward_hook(lambda layer, inputs, output: 2 * output)
    assert not serves(layer)
    assert not serves(nn.utils.weight_norm(nn.Conv2d(3, 8, 3)))

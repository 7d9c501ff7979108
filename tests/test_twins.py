"""The twins of a model: the same values, other arrangements, and nothing of the caller's touched."""

import copy
import math

import pytest
import torch
from torch import nn

from pfgvm import twins
from pfgvm.attacks.gradient import loss_gradient
from pfgvm.models import model_b
from pfgvm.twins import for_attack, for_training
from tests.small import CLASSES, IMAGE_SIZE, classes, faces, small_a, small_b

MODELS = {
    "A": small_a,
    "B on dlib": small_b,
    "B on VGG-Face": lambda: model_b(CLASSES, IMAGE_SIZE, "vgg_face").eval(),
}
each_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def relus(model: nn.Module) -> list[nn.ReLU]:
    return [module for module in model.modules() if isinstance(module, nn.ReLU)]


def order(sequence: nn.Sequential) -> list[str]:
    return [type(layer).__name__ for layer in sequence]


@each_model
@torch.no_grad()
def test_the_attacked_twin_is_the_same_function_folded(make):
    model, images = make(), faces(4)
    twin = for_attack(model)
    torch.testing.assert_close(twin(images), model(images), rtol=1e-4, atol=1e-5)
    spared = (nn.BatchNorm1d, nn.BatchNorm2d, nn.Dropout)
    assert not any(isinstance(module, spared) for module in twin.modules())
    assert not any(parameter.requires_grad for parameter in twin.parameters())


@each_model
def test_the_attacked_twin_gives_the_image_the_same_gradient(make):
    model, images = make().double(), faces(3).double()
    torch.testing.assert_close(
        loss_gradient(for_attack(model), images, classes(3)), loss_gradient(model, images, classes(3))
    )


@each_model
def test_convolutions_of_the_attacked_twin_work_with_the_channels_innermost(make):
    twin = for_attack(make())
    layouts = []
    for module in twin.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda layer, inputs, output: layouts.append(output.is_contiguous(memory_format=torch.channels_last))
            )
    twin(faces(2))
    assert layouts and all(layouts)


@torch.no_grad()
def test_layers_that_cannot_be_folded_keep_their_place():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Flatten())
    model(faces(4, (8, 8)))  # statistics of its own
    twin = for_attack(model)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in twin.modules()) == 2
    assert (twin(faces(4, (8, 8))) - model.eval()(faces(4, (8, 8)))).abs().max() < 1e-5


@each_model
def test_the_training_twin_gives_every_weight_the_same_gradient_to_the_bit(make):
    model, images = make().train(), faces(8)
    expected = copy.deepcopy(model)
    for computed in (expected, for_training(model)):
        torch.manual_seed(0)  # dropout
        nn.functional.cross_entropy(computed(images), classes(8)).backward()
    trainable = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    for name, parameter in trainable:
        assert torch.equal(parameter.grad, expected.get_parameter(name).grad), name
        assert parameter.grad.any(), name
    for name, statistic in model.named_buffers():
        assert torch.equal(statistic, expected.get_buffer(name)), name


def test_poolings_come_before_the_relu_that_they_followed():
    model = small_a()
    assert order(for_training(model))[:4] == ["Conv2d", "BatchNorm2d", "MaxPool2d", "ReLU"]
    twin = for_attack(model)
    assert order(twin)[1:] == ["Flatten", "Linear", "ReLU", "Linear"]
    assert order(twin[0]) == ["FewChannels", "MaxPool2d", "ReLU", "Conv2d", "MaxPool2d", "ReLU"]
    assert order(model)[:4] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert not any(relu.inplace for relu in relus(model))
    other = nn.Sequential(nn.ReLU(), nn.AvgPool2d(2), nn.MaxPool2d(2), nn.ReLU(), nn.MaxPool2d(2, return_indices=True))
    assert order(for_training(other)) == order(other)


@torch.no_grad()
def test_maps_are_made_of_a_few_images_at_a_time_on_a_cpu(monkeypatch):
    monkeypatch.setattr(twins, "_PIXELS_AT_A_TIME", 2 * math.prod(IMAGE_SIZE) + 1)
    seen = []
    model = small_a()
    expected = model(faces(5))
    twin = for_attack(model)
    twin[0].conv1.register_forward_hook(lambda layer, inputs, output: seen.append(len(output)))
    twin.fc1.register_forward_hook(lambda layer, inputs, output: seen.append(len(output)))
    torch.testing.assert_close(twin(faces(5)), expected, rtol=1e-4, atol=1e-5)
    assert seen == [2, 2, 1, 5]


@pytest.mark.parametrize("twin", [for_attack, for_training])
def test_a_relu_overwrites_nothing_that_is_read_again(twin):
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1), nn.Flatten(), nn.ReLU())

        def forward(self, x):
            return self.inner(x) + x.flatten(1)

    images = faces(2, (8, 8)) - 0.5
    before = images.clone()
    model = Residual().eval()
    expected = model(images)
    torch.testing.assert_close(twin(model)(images), expected)
    assert torch.equal(images, before)
    assert not any(relu.inplace for relu in relus(twin(model)))
    assert [relu.inplace for relu in relus(twin(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())))] == [True]


def test_a_sequence_with_a_way_of_its_own_is_left_alone():
    class Backwards(nn.Sequential):
        def forward(self, x):
            for layer in reversed(self):
                x = layer(x)
            return x

    model = Backwards(nn.MaxPool2d(2), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)).eval()
    for twin in (for_training(model), for_attack(model)):
        assert order(twin) == order(model)
        torch.testing.assert_close(twin(faces(2, (8, 8))), model(faces(2, (8, 8))))

"""The target models are those of Table 1, with Keras' conventions."""

import math

import pytest
import torch
from torch import nn

from pfgvm.models import model_a, model_b
from pfgvm.models.target_models import architecture

PERSONS = 30


@pytest.fixture
def nowhere():
    """Shapes without memory: at full size Model A has 311 MB."""
    with torch.device("meta"):
        yield


def sizes(model: nn.Module) -> dict[str, int]:
    return {name: sum(p.numel() for p in layer.parameters()) for name, layer in model.named_children()}


def test_model_a_has_the_sizes_of_table_1(nowhere):
    model = model_a(PERSONS)
    assert {name: size for name, size in sizes(model).items() if size} == {
        "conv1": 32 * 3 * 5 * 5 + 32,
        "norm1": 2 * 32,
        "conv2": 64 * 32 * 5 * 5 + 64,
        "norm2": 2 * 64,
        "fc1": 64 * 54 * 44 * 512 + 512,
        "norm3": 2 * 512,
        "fc2": 512 * PERSONS + PERSONS,
    }
    assert sizes(model)["conv1"] == 2_432 and sizes(model)["conv2"] == 51_264
    assert model(torch.rand(2, 3, 218, 178)).shape == (2, PERSONS)


def test_model_a_has_the_layers_of_table_1(nowhere):
    # as Keras would list them: activations with their layer, softmax last
    assert [(row["layer"], row["output"]) for row in architecture(model_a(PERSONS), (218, 178))] == [
        ("Conv(32, Kernel(5, 5), Padding(Same), L2Regularizer(0.001))", "32 x 218 x 178"),
        ("BatchNormalization+Relu", "32 x 218 x 178"),
        ("MaxPooling(PoolSize(2, 2), Strides(2, 2))", "32 x 109 x 89"),
        ("Conv(64, Kernel(5, 5), Padding(Same), L2Regularizer(0.001))", "64 x 109 x 89"),
        ("BatchNormalization+Relu", "64 x 109 x 89"),
        ("MaxPooling(PoolSize(2, 2), Strides(2, 2))", "64 x 54 x 44"),
        ("FC(512, L2Regularizer(0.001))", "512"),
        ("BatchNormalization+Relu", "512"),
        ("Dropout(0.9)", "512"),
        ("FC(30)+Softmax", "30"),
    ]


def test_model_b_on_vgg_face_has_the_sizes_of_table_1(nowhere):
    model = model_b(PERSONS)
    assert model.descriptor(torch.rand(2, 3, 218, 178)).shape == (2, 15_360)
    assert sizes(model.head) == {
        "fc1": 15_360 * 256 + 256,
        "norm1": 2 * 256,
        "relu1": 0,
        "fc2": 256 * PERSONS + PERSONS,
    }
    assert sizes(model)["descriptor"] == 14_714_688  # VGG-16's convolutions
    assert model(torch.rand(2, 3, 218, 178)).shape == (2, PERSONS)
    assert [row["layer"] for row in architecture(model, (218, 178))] == [
        "VGG-Face CNN descriptor (VGG-16)",
        "FC(256, L2Regularizer(0.001))",
        "BatchNormalization+Relu",
        "FC(30)+Softmax",
    ]


def test_model_b_on_dlib_takes_its_128_numbers():
    model = model_b(PERSONS, (109, 89), "dlib").eval()
    images = torch.rand(2, 3, 109, 89, generator=torch.Generator().manual_seed(0))
    assert model.descriptor(images).shape == (2, 128)
    assert model.head.fc1.weight.shape == (256, 128)
    assert model(images).shape == (2, PERSONS)
    assert architecture(model, (109, 89))[0]["layer"] == "dlib face descriptor (29-layer ResNet)"


def test_vgg_face_without_a_file_starts_at_random():
    torch.manual_seed(0)
    first, second = (model_b(2, (64, 52)).descriptor.vgg_face.conv5_3.weight for _ in range(2))
    assert first.std() > 0 and not torch.equal(first, second)


def test_an_unknown_descriptor_is_refused():
    with pytest.raises(ValueError, match="descriptor must be vgg_face or dlib or sface, not 'arcface'"):
        model_b(PERSONS, descriptor="arcface")


def small_models() -> list[nn.Module]:
    return [model_a(PERSONS, (12, 8)), model_b(PERSONS, (64, 52), "dlib").head]


def test_the_regularized_layers_are_those_of_table_1(nowhere):
    for model, expected in ((model_a(PERSONS), ["conv1", "conv2", "fc1"]), (model_b(PERSONS).head, ["fc1"])):
        tagged = {name: layer.l2 for name, layer in model.named_children() if hasattr(layer, "l2")}
        assert tagged == dict.fromkeys(expected, 0.001)
    assert not any(hasattr(layer, "l2") for layer in model_b(PERSONS).descriptor.modules())


def test_normalization_and_dropout_follow_keras():
    for model in small_models():
        norms = [layer for layer in model if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
        assert norms and all((norm.momentum, norm.eps) == (0.01, 1e-3) for norm in norms)
    dropouts = [[layer.p for layer in model if isinstance(layer, nn.Dropout)] for model in small_models()]
    assert dropouts == [[0.9], []]


def test_initial_weights_are_glorots():
    torch.manual_seed(0)
    for model in small_models():
        for layer in (layer for layer in model if isinstance(layer, nn.Conv2d | nn.Linear)):
            receptive = math.prod(layer.weight.shape[2:])
            bound = math.sqrt(6 / (receptive * (layer.weight.shape[0] + layer.weight.shape[1])))
            assert 0.98 * bound < layer.weight.abs().max() <= bound
            assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
            assert not layer.bias.any()


def test_the_architecture_leaves_the_model_as_it_was():
    model = model_a(PERSONS, (12, 8))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    architecture(model, (12, 8))
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())

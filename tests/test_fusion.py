"""fused_for_attack: the same function of the same weights, faster; and no model but those that it knows."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from pfgvm.attacks.common.gradient import loss_gradient
from pfgvm.errors import InputError
from pfgvm.models import fused_for_attack, model_b
from tests.small import CLASSES, IMAGE_SIZE, classes, faces, small_a, small_b

MODELS = {
    "A": small_a,
    "B on dlib": small_b,
    "B on VGG-Face": lambda: model_b(CLASSES, IMAGE_SIZE, "vgg_face").eval(),
}
each_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def gradient_of(model: nn.Module, count: int) -> torch.Tensor:
    with loss_gradient(model, classes(count)) as gradient:
        return gradient(faces(count).to(next(model.parameters()).dtype))


@each_model
@torch.no_grad()
def test_the_fused_model_is_the_same_function_without_batch_normalization(make):
    model, images = make(), faces(4)
    fused = fused_for_attack(model)
    torch.testing.assert_close(fused(images), model(images), rtol=1e-4, atol=1e-5)
    assert not any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in fused.modules())
    assert not any(parameter.requires_grad for parameter in fused.parameters())


@each_model
def test_the_fused_model_gives_the_image_the_same_gradient(make):
    model = make().double()
    torch.testing.assert_close(gradient_of(fused_for_attack(model), 3), gradient_of(model, 3))


@each_model
def test_the_given_model_stays_as_it_was(make):
    model = make().train()
    before = copy.deepcopy(model)
    fused = fused_for_attack(model)
    assert [type(module) for module in model.modules()] == [type(module) for module in before.modules()]
    assert [module.training for module in model.modules()] == [module.training for module in before.modules()]
    for (name, value), (_, old) in zip(model.named_parameters(), before.named_parameters(), strict=True):
        assert torch.equal(value, old) and value.requires_grad == old.requires_grad, name
        assert value.is_contiguous() == old.is_contiguous(), name
    shared = {value.data_ptr() for value in model.parameters()} & {value.data_ptr() for value in fused.parameters()}
    assert not shared


@each_model
def test_convolutions_of_the_fused_model_run_with_the_channels_innermost(make):
    layouts = []
    fused = fused_for_attack(make())
    for module in fused.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda layer, inputs, output: layouts.append(output.is_contiguous(memory_format=torch.channels_last))
            )
    fused(faces(2))
    assert layouts and all(layouts)


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def replaced(name: str, layer: nn.Module) -> nn.Module:
    model = small_a()
    setattr(model, name, layer)
    return model


def changed(change) -> nn.Module:
    model = small_a()
    change(model)
    return model


OTHERS = {
    "a model of somebody else": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(3, 2)), "no recipe"),
    "a wrapper": (lambda: nn.Sequential(small_a()), "no recipe"),
    "a compiled model": (lambda: torch.compile(small_a(), backend="eager"), "no recipe"),
    "a scripted model": (lambda: torch.jit.script(small_a()), "no recipe"),
    "a layer of a subclass": (lambda: replaced("fc2", Doubled(512, CLASSES)), "fc2 is another"),
    "another activation": (lambda: replaced("relu1", nn.LeakyReLU()), "relu1 is another"),
    "another stride": (lambda: replaced("pool1", nn.MaxPool2d(2, 1)), "pool1 is another"),
    "a forward of its own": (lambda: changed(lambda m: setattr(m.fc2, "forward", lambda x: x)), "fc2 is another"),
    "one layer more": (lambda: changed(lambda m: m.add_module("last", nn.ReLU())), "layers last are new"),
    "one layer less": (lambda: changed(lambda m: m.__delitem__(12)), "new or missing"),
    "a hook": (lambda: changed(lambda m: m.norm1.register_forward_hook(lambda *a: None)), "norm1 has hooks"),
    "a backward hook": (
        lambda: changed(lambda m: m.conv1.register_full_backward_hook(lambda *a: None)),
        "conv1 has hooks",
    ),
    "a parametrization": (
        lambda: changed(lambda m: nn.utils.parametrizations.weight_norm(m.conv2)),
        "new or missing",
    ),
    "pruned weights": (
        lambda: changed(lambda m: prune.l1_unstructured(m.conv2, "weight", 0.5)),
        "conv2 has hooks",
    ),
    "fused already": (lambda: fused_for_attack(small_a()), "norm1 is another"),
}


@pytest.mark.parametrize(("make", "words"), OTHERS.values(), ids=OTHERS)
def test_any_other_model_is_refused_and_says_why(make, words):
    with pytest.raises(InputError, match=words) as refused:
        fused_for_attack(make())
    assert "attack, which takes any" in str(refused.value)

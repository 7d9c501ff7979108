"""The attacks against closed forms, against Foolbox, and against what they promise of batches and models."""

from functools import partial

import foolbox
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pfgvm.attacks import i_fgsm, i_fgvm, p_fgvm, random_equal_l2
from pfgvm.attacks.gradient import loss_gradient
from pfgvm.batches import batches, padded
from tests.small import CLASSES, classes, faces, small_a, small_b

ATTACKS = {
    "P-FGVM": partial(p_fgvm, step_size=1.0, iterations=4, penalty=0.22),
    "I-FGVM": partial(i_fgvm, step_size=1.0, iterations=4, epsilon=0.022),
    "I-FGSM": partial(i_fgsm, iterations=4, epsilon=0.026),
}
each_attack = pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return small_a()


@pytest.fixture(scope="module")
def model_on_dlib() -> nn.Module:
    return small_b()


# A linear model, logits = W x + b, in float64: its attacks can be written down.
SHAPE = (3, 5, 4)
RANDOM = np.random.default_rng(0)
W = RANDOM.normal(size=(CLASSES, 60))
B = RANDOM.normal(size=CLASSES)
X = RANDOM.uniform(size=(6, 60)).round(1)  # some values lie on 0 and 1
T = RANDOM.integers(CLASSES, size=6)


def linear_model(weight: np.ndarray = W) -> nn.Module:
    model = nn.Sequential(nn.Flatten(), nn.Linear(60, CLASSES)).double()
    model[1].weight.data = torch.tensor(weight)
    model[1].bias.data = torch.tensor(B)
    return model


def linear_gradient(x: np.ndarray, target: int) -> np.ndarray:
    exponentials = np.exp(W @ x + B)
    softmax = exponentials / exponentials.sum()
    return W.T @ (softmax - np.eye(CLASSES)[target])


def iterated(step, iterations: int) -> np.ndarray:
    """x̃_N of every image by itself, from `step`(x̃, x, ∇ℓ)."""
    results = []
    for x, target in zip(X, T, strict=True):
        x_adv = x
        for _ in range(iterations):
            x_adv = step(x_adv, x, linear_gradient(x_adv, target))
        results.append(x_adv)
    return np.array(results)


def on_linear_model(attack, **settings) -> np.ndarray:
    images = torch.tensor(X).view(-1, *SHAPE)
    return attack(linear_model(), images, torch.tensor(T), **settings).flatten(1).numpy()


def in_ball(values: np.ndarray, x: np.ndarray, epsilon: float) -> np.ndarray:
    return np.minimum(np.maximum(values, x - epsilon), x + epsilon)


def in_range(values: np.ndarray) -> np.ndarray:
    return np.minimum(np.maximum(values, 0), 1)


@pytest.mark.parametrize("iterations", [1, 2, 7])
def test_p_fgvm_is_its_equation(iterations):
    expected = iterated(lambda x_adv, x, g: in_range(x_adv - 0.2 * (g + 0.9 * (x_adv - x))), iterations)
    assert 0 in expected[X != 0] and 1 in expected[X != 1]
    found = on_linear_model(p_fgvm, step_size=0.2, iterations=iterations, penalty=0.9)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("iterations", [1, 2, 7])
def test_i_fgvm_is_its_equation(iterations):
    expected = iterated(lambda x_adv, x, g: in_range(in_ball(x_adv - 0.1 * g, x, 0.15)), iterations)
    changes = abs(expected - X)
    assert np.isclose(changes, 0.15).any() and (changes < 0.14).any() and 0 in expected and 1 in expected
    found = on_linear_model(i_fgvm, step_size=0.1, iterations=iterations, epsilon=0.15)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("iterations", [1, 2, 7])
@pytest.mark.parametrize("step_size", [None, 0.1])
def test_i_fgsm_is_its_equation(iterations, step_size):
    α = 0.15 / iterations if step_size is None else step_size
    expected = iterated(lambda x_adv, x, g: in_range(in_ball(x_adv - α * np.sign(g), x, 0.15)), iterations)
    found = on_linear_model(i_fgsm, iterations=iterations, epsilon=0.15, step_size=step_size)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_p_fgvm_settles_where_the_gradient_balances_the_penalty():
    linear = linear_model(0.02 * W)
    x = torch.full((6, *SHAPE), 0.5, dtype=torch.float64)
    targets = torch.tensor(T)
    x_adv = p_fgvm(linear, x, targets, step_size=1.0, iterations=500, penalty=0.22)
    assert 0 < x_adv.min() and x_adv.max() < 1
    gradient = loss_gradient(linear, x_adv, targets).flatten(1)
    pull = 0.22 * (x_adv - x).flatten(1)
    assert pull.norm(dim=1).min() > 0.01
    torch.testing.assert_close(gradient.norm(dim=1), pull.norm(dim=1), rtol=1e-9, atol=0)
    torch.testing.assert_close(gradient, -pull, rtol=0, atol=1e-12)


def test_without_penalty_and_without_ball_the_two_value_methods_are_one(model):
    settings = {"step_size": 1.0, "iterations": 4}
    penalized = p_fgvm(model, faces(4), classes(4), penalty=0, **settings)
    assert torch.equal(penalized, i_fgvm(model, faces(4), classes(4), epsilon=1e9, **settings))


def test_the_trace_of_a_noise_start_decays_at_the_penalty():
    linear = linear_model(np.zeros_like(W))
    x = torch.tensor(0.4 + 0.2 * X).view(-1, *SHAPE)
    noise = torch.tensor(RANDOM.uniform(size=X.shape)).view(-1, *SHAPE)
    x_adv = p_fgvm(linear, x, torch.tensor(T), step_size=0.55, iterations=9, penalty=0.28, start=noise)
    torch.testing.assert_close(x_adv - x, (1 - 0.55 * 0.28) ** 9 * (noise - x), rtol=1e-9, atol=1e-14)


def test_a_noise_start_outside_the_range_is_clipped(model):
    start = 0.5 + 3 * torch.randn(faces(2).shape, generator=torch.Generator().manual_seed(0))
    x_adv = p_fgvm(model, faces(2), classes(2), step_size=1.0, iterations=1, penalty=0.22, start=start)
    assert x_adv.min() == 0 and x_adv.max() == 1


def test_an_iterate_as_start_continues_the_run(model):
    attack = partial(p_fgvm, model, faces(4), classes(4), step_size=1.0, penalty=0.22)
    assert torch.equal(attack(iterations=5), attack(iterations=3, start=attack(iterations=2)))


@each_attack
def test_no_iterations_return_the_image(attack, model):
    assert torch.equal(attack(model, faces(2), classes(2), iterations=0), faces(2))


@each_attack
def test_the_result_is_an_image_like_the_input(attack, model):
    images = faces(4)
    result = attack(model, images, classes(4))
    assert (result.shape, result.dtype, result.device) == (images.shape, images.dtype, images.device)
    assert result.min() >= 0 and result.max() <= 1 and not result.requires_grad
    assert torch.equal(images, faces(4)) and not images.requires_grad


@each_attack
def test_every_image_comes_closer_to_its_target(attack, model):
    def losses(images: Tensor) -> Tensor:
        with torch.no_grad():
            return nn.functional.cross_entropy(model(images), classes(8), reduction="none")

    assert (losses(attack(model, faces(8), classes(8))) < 0.9 * losses(faces(8))).all()


@pytest.mark.parametrize("epsilon", [0.01, 0.026])
def test_i_fgsm_is_that_of_foolbox(epsilon):
    # in float64: in float32 a few signs hang on the rounding of gradients near 0
    model, images, targets, steps = small_a().double(), faces(4).double(), classes(4), 10
    foreign = foolbox.attacks.LinfBasicIterativeAttack(abs_stepsize=epsilon / steps, steps=steps, random_start=False)
    criterion = foolbox.criteria.TargetedMisclassification(targets)
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    _, expected, _ = foreign(wrapped, images, criterion, epsilons=epsilon)
    found = i_fgsm(model, images, targets, iterations=steps, epsilon=epsilon)
    assert (found - images).abs().max() == pytest.approx(epsilon, rel=1e-9)
    assert ((found - expected).abs() < 1e-9).double().mean() > 0.9999


@each_attack
def test_neighbours_in_the_batch_change_no_bit(attack, model):
    check_neighbours(attack, model)


def test_neighbours_in_the_batch_change_no_bit_on_model_b(model_on_dlib):
    check_neighbours(partial(ATTACKS["P-FGVM"], iterations=2), model_on_dlib)


def check_neighbours(attack, model: nn.Module) -> None:
    images, targets = faces(31), classes(31)
    shared = 3
    others = torch.arange(15, 31)
    others[shared] = shared
    first, second = attack(model, images[:16], targets[:16]), attack(model, images[others], targets[others])
    assert torch.equal(first[shared], second[shared])
    assert not torch.equal(first[shared], images[shared])


@each_attack
def test_the_batch_size_hardly_changes_a_result(attack, model):
    check_batch_sizes(attack, model)


def test_the_batch_size_hardly_changes_a_result_on_model_b(model_on_dlib):
    check_batch_sizes(partial(ATTACKS["P-FGVM"], iterations=2), model_on_dlib)


def check_batch_sizes(attack, model: nn.Module) -> None:
    together = attack(model, faces(16), classes(16))[:2]
    alone = torch.cat([attack(model, faces(2)[i : i + 1], classes(2)[i : i + 1]) for i in range(2)])
    assert ((together - alone).abs() < 1e-5).float().mean() > 0.999
    sizes = [(result - faces(2)).flatten(1).norm(dim=1) for result in (together, alone)]
    torch.testing.assert_close(*sizes, rtol=1e-4, atol=0)


def test_a_padded_batch_repeats_its_last_image():
    assert list(batches(7, 3)) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    images = faces(3)
    assert torch.equal(padded(images[:2], 5), images[[0, 1, 1, 1, 1]])
    assert torch.equal(padded(images, 3), images)


@each_attack
def test_the_model_stays_as_it_was_even_in_training_mode(attack):
    model = small_a().train()
    model.conv1.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modules = dict(model.named_modules())
    asks = {name: parameter.requires_grad for name, parameter in model.named_parameters()}

    result = attack(model, faces(4), classes(4))

    assert torch.equal(result, attack(small_a(), faces(4), classes(4)))  # as at evaluation
    assert dict(model.named_modules()) == modules
    assert all(module.training for module in model.modules())
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == asks
    assert all(parameter.grad is None for parameter in model.parameters())
    after = model.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)


def test_a_plain_function_can_be_attacked(model):
    settings = {"step_size": 1.0, "iterations": 2, "penalty": 0.22}
    as_function = p_fgvm(lambda images: model(images), faces(2), classes(2), **settings)
    as_module = p_fgvm(model, faces(2), classes(2), **settings)
    torch.testing.assert_close(as_function, as_module, rtol=0, atol=1e-5)


def test_random_noise_reaches_the_asked_size_after_clipping():
    images = faces(4).round()  # black and white: half of the noise is clipped
    images[0] = 0.5
    asked = torch.tensor([0.0, 0.5, 3.38, 12.0])
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    result = random_equal_l2(images, noise, asked)
    assert (result.shape, result.dtype) == (images.shape, images.dtype)
    assert result.min() >= 0 and result.max() <= 1
    reached = (result.double() - images.double()).flatten(1).norm(dim=1)
    torch.testing.assert_close(reached, asked.double(), rtol=1e-6, atol=0)
    perturbation = (result - images)[1:]
    assert (perturbation * noise[1:] >= 0).all()  # along the noise
    other = random_equal_l2(images, noise.flip(-1), asked)
    assert not torch.equal(result[1:], other[1:])

"""The paper's attacks against closed forms and Foolbox, their batches and their arguments.

test_any_model.py covers the kinds of models.
"""

from functools import partial
from pathlib import Path

import foolbox
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pfgvm.attacks import i_fgsm, i_fgvm, p_fgvm, random_equal_l2
from pfgvm.attacks.common.context import Context
from pfgvm.attacks.common.gradient import loss_gradient
from pfgvm.errors import InputError
from pfgvm.models.batching import batches, padded
from stages.adversarial.method_modules import load_method
from stages.networks.trained_model import TrainedModel
from tests.records import training_record
from tests.small import CLASSES, IMAGE_SIZE, classes, faces, small_a, small_b

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
    result = on_linear_model(p_fgvm, step_size=0.2, iterations=iterations, penalty=0.9)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("iterations", [1, 2, 7])
def test_i_fgvm_is_its_equation(iterations):
    expected = iterated(lambda x_adv, x, g: in_range(in_ball(x_adv - 0.1 * g, x, 0.15)), iterations)
    changes = abs(expected - X)
    assert np.isclose(changes, 0.15).any() and (changes < 0.14).any() and 0 in expected and 1 in expected
    result = on_linear_model(i_fgvm, step_size=0.1, iterations=iterations, epsilon=0.15)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("iterations", [1, 2, 7])
@pytest.mark.parametrize("step_size", [None, 0.1])
def test_i_fgsm_is_its_equation(iterations, step_size):
    α = 0.15 / iterations if step_size is None else step_size
    expected = iterated(lambda x_adv, x, g: in_range(in_ball(x_adv - α * np.sign(g), x, 0.15)), iterations)
    result = on_linear_model(i_fgsm, iterations=iterations, epsilon=0.15, step_size=step_size)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)


def test_p_fgvm_settles_where_the_gradient_balances_the_penalty():
    linear = linear_model(0.02 * W)
    x = torch.full((6, *SHAPE), 0.5, dtype=torch.float64)
    targets = torch.tensor(T)
    x_adv = p_fgvm(linear, x, targets, step_size=1.0, iterations=500, penalty=0.22)
    assert 0 < x_adv.min() and x_adv.max() < 1
    with loss_gradient(linear, targets) as gradient_at:
        gradient = gradient_at(x_adv).flatten(1)
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


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    """Model A as the pipeline reads it from its files."""
    folder: Path = tmp_path_factory.mktemp("A")
    height, width = IMAGE_SIZE
    persons = [str(number) for number in range(CLASSES)]
    TrainedModel.write(small_a(), training_record("A", classes=persons, image_height=height, image_width=width), folder)
    return TrainedModel.read(folder)


@pytest.mark.parametrize("epsilon", [0.01, 0.026])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-9)])
def test_the_pipelines_i_fgsm_on_a_trained_model_is_that_of_foolbox(epsilon, dtype, tolerance, trained):
    network = trained.network(torch.device("cpu")).to(dtype)
    assert network.conv2.weight.is_contiguous(memory_format=torch.channels_last)
    images, targets, steps = faces(4).to(dtype), classes(4), 10
    foreign = foolbox.attacks.LinfBasicIterativeAttack(abs_stepsize=epsilon / steps, steps=steps, random_start=False)
    criterion = foolbox.criteria.TargetedMisclassification(targets)
    wrapped = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
    _, expected, _ = foreign(wrapped, images, criterion, epsilons=epsilon)
    context = Context(images, ["1", "2", "3", "4"], {"model": lambda: network, "targets": lambda: targets})
    x_adv = load_method("i_fgsm").deidentify(context, iterations=steps, epsilon=epsilon)
    assert (x_adv - images).abs().max() == pytest.approx(epsilon, rel=1e-5 if dtype == torch.float32 else 1e-9)
    # A few signs depend on the rounding of gradients near 0.
    assert ((x_adv - expected).abs() < tolerance).double().mean() > 0.9999


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


def test_random_noise_of_any_scale_gives_one_result():
    images, asked = faces(2).double(), torch.tensor([0.5, 12.0])
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    expected = random_equal_l2(images, noise, asked)
    for scale in (1e-20, 1e20):
        torch.testing.assert_close(random_equal_l2(images, scale * noise.double(), asked), expected)


def test_random_noise_reaches_a_size_that_saturates_most_pixels():
    # One value of the noise is small: it is the last to reach 0 or 1.
    images, noise = torch.full((1, 3, 8, 8), 0.5, dtype=torch.float64), torch.ones(1, 3, 8, 8)
    noise[0, 0, 0, 0] = 1e-6
    furthest = 0.5 * images[0].numel() ** 0.5
    for asked in (furthest - 1e-4, furthest):
        result = random_equal_l2(images, noise, torch.tensor([asked], dtype=torch.float64))
        assert (result - images).norm().item() == pytest.approx(asked, rel=1e-12)
    with pytest.raises(InputError, match=r"l2 of image 0 is 7, but this noise reaches at most 6\.9282"):
        random_equal_l2(images, noise, torch.tensor([7.0]))


def test_no_noise_moves_nothing():
    assert torch.equal(random_equal_l2(faces(2), torch.zeros(faces(2).shape), torch.zeros(2)), faces(2))
    with pytest.raises(InputError, match="l2 of image 1 is 1, but this noise reaches at most 0,"):
        random_equal_l2(faces(2), torch.zeros(faces(2).shape), torch.tensor([0.0, 1.0]))


# ── Arguments ─────────────────────────────────────────────────────────────────────────────────────────────────────


def with_value(value: float) -> Tensor:
    images = faces(2)
    images[1, 2, 3, 4] = value
    return images


WRONG_IMAGES = {
    "array": (faces(2).numpy(), "images must be a torch tensor, not ndarray"),
    "8-bit": ((255 * faces(2)).byte(), "images must be floating-point, not torch.uint8"),
    "one image": (faces(2)[0], r"images must have shape \(B, C, H, W\), not \(3, 64, 52\)"),
    "of 255": (255 * faces(2).round(), r"images must lie in \[0, 1\], not 0 to 255"),
    "above 1": (with_value(1.0001), r"images must lie in \[0, 1\], not .* to 1.0001"),
    "below 0": (with_value(-0.5), r"images must lie in \[0, 1\], not -0.5 to "),
    "NaN": (with_value(np.nan), "images must be finite"),
    "infinity": (with_value(np.inf), "images must be finite"),
}
WRONG_TARGETS = {
    "list": ([0, 1], "targets must be a torch tensor, not list"),
    "float": (torch.zeros(2), "targets must be integer class indices, not torch.float32"),
    "bool": (torch.zeros(2, dtype=torch.bool), "targets must be integer class indices, not torch.bool"),
    "one": (torch.tensor(0), r"targets must have shape \(2,\)"),
    "too many": (classes(3), r"targets must have shape \(2,\)"),
    "one-hot": (torch.zeros(2, CLASSES, dtype=torch.int64), r"targets must have shape \(2,\)"),
    "ignored": (torch.tensor([0, -100]), "targets must be class indices from 0, not -100"),
    "beyond": (
        torch.tensor([0, CLASSES]),
        f"targets must lie in 0 … {CLASSES - 1}, the model's classes, not {CLASSES}",
    ),
    "elsewhere": (classes(2).to("meta"), "targets must be on the images' device, cpu, not on meta"),
}
WRONG_STARTS = {
    "shape": (faces(3), r"start must have shape \(2, 3, 64, 52\)"),
    "type": (faces(2).double(), "start must have the images' type, torch.float32, not torch.float64"),
    "NaN": (with_value(np.nan), "start must be finite"),
}
WRONG_SIZES = (0, -1.0, np.nan, np.inf, "1", None, True, torch.tensor(1.0))
WRONG_NUMBERS = [
    *[
        (attack, "step_size", value)
        for attack in ATTACKS
        for value in WRONG_SIZES
        if (attack, value) != ("I-FGSM", None)
    ],
    *[(attack, "epsilon", value) for attack in ("I-FGVM", "I-FGSM") for value in WRONG_SIZES],
    *[("P-FGVM", "penalty", value) for value in WRONG_SIZES[1:]],
    *[(attack, "iterations", value) for attack in ATTACKS for value in (-1, 2.0, np.nan, "1", None, True)],
]


@each_attack
@pytest.mark.parametrize(("images", "message"), WRONG_IMAGES.values(), ids=WRONG_IMAGES)
def test_wrong_images_are_refused(attack, images, message, model):
    with pytest.raises(InputError, match=message):
        attack(model, images, classes(2))


@each_attack
@pytest.mark.parametrize(("targets", "message"), WRONG_TARGETS.values(), ids=WRONG_TARGETS)
def test_wrong_targets_are_refused(attack, targets, message, model):
    with pytest.raises(InputError, match=message):
        attack(model, faces(2), targets)


@pytest.mark.parametrize(("start", "message"), WRONG_STARTS.values(), ids=WRONG_STARTS)
def test_wrong_starts_are_refused(start, message, model):
    with pytest.raises(InputError, match=message):
        ATTACKS["P-FGVM"](model, faces(2), classes(2), start=start)


@pytest.mark.parametrize(("attack", "name", "value"), WRONG_NUMBERS)
def test_wrong_numbers_are_refused(attack, name, value, model):
    with pytest.raises(InputError, match=f"^{name} must be "):
        ATTACKS[attack](model, faces(2), classes(2), **{name: value})


WRONG_RANDOM = {
    "images": (255 * faces(2), faces(2), torch.ones(2), r"images must lie in \[0, 1\]"),
    "noise": (faces(2), faces(1), torch.ones(2), r"noise must have shape \(2, 3, 64, 52\)"),
    "NaN noise": (faces(2), with_value(np.nan), torch.ones(2), "noise must be finite"),
    "one norm": (faces(2), faces(2), torch.tensor(1.0), r"l2 must have shape \(2,\)"),
    "whole norms": (faces(2), faces(2), torch.tensor([1, 1]), "l2 must be floating-point"),
    "NaN": (faces(2), faces(2), torch.tensor([1, torch.nan]), "l2 must be finite"),
    "negative": (faces(2), faces(2), torch.tensor([1.0, -1.0]), "l2 must contain norms of at least 0, not -1"),
}


@pytest.mark.parametrize(("images", "noise", "l2", "message"), WRONG_RANDOM.values(), ids=WRONG_RANDOM)
def test_wrong_arguments_of_the_control_are_refused(images, noise, l2, message):
    with pytest.raises(InputError, match=message):
        random_equal_l2(images, noise, l2)


@each_attack
def test_numbers_and_targets_of_other_types_are_taken(attack, model):
    expected = attack(model, faces(2), classes(2))
    numbers = {key: np.float64(value) for key, value in attack.keywords.items() if key != "iterations"}
    for kind in (torch.int32, torch.uint8):
        x_adv = attack(model, faces(2), classes(2).to(kind), iterations=np.int64(4), **numbers)
        assert torch.equal(x_adv, expected)


@each_attack
def test_no_images_give_no_images(attack):
    images = torch.zeros(0, 3, 8, 8)
    result = attack(lambda x: x.view(len(x), -1), images, torch.zeros(0, dtype=torch.int64))
    assert (result.shape, result.dtype) == (images.shape, images.dtype)


def test_no_images_give_no_images_of_the_control():
    images = torch.zeros(0, 3, 8, 8)
    assert random_equal_l2(images, images, torch.zeros(0)).shape == images.shape


@each_attack
def test_a_result_shares_no_memory_with_the_images(attack, model):
    images = faces(2)
    attack(model, images, classes(2), iterations=0).zero_()
    assert torch.equal(images, faces(2))

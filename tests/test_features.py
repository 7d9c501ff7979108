"""P-FGVM (features): its equation, its random draws, and invalid descriptors."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pfgvm import seeding
from pfgvm.attacks import p_fgvm_features
from pfgvm.attacks.common.features import feature_gradient
from pfgvm.attacks.common.views import Views
from pfgvm.attacks.common.visual_weights import masking_weights, reduced_chroma
from pfgvm.errors import InputError

SHAPE = (3, 14, 12)
RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(size=(3, *SHAPE)).round(1)  # some values lie on 0 and 1
NAMES = ["a.jpg", "b.jpg", "李小龍/c.jpg"]
# Two descriptors of different scales, F = 7 and 4.
WEIGHTS = [RANDOM.normal(size=(7, X[0].size)), 30 * RANDOM.normal(size=(4, X[0].size))]
STILL: dict[str, Any] = {"scale": 0.0, "shift": 0.0, "mirror": False}
VARIED: dict[str, Any] = {"scale": 0.2, "shift": 0.1, "mirror": True}
SETTINGS = {"step_size": 0.3, "iterations": 3, "penalty": 0.9, "views": 1, **STILL, "masking": 0.7, "chroma": 0.4}


def linear(weight: np.ndarray) -> nn.Module:
    layer = nn.Linear(*weight.shape[::-1], bias=False).double()
    layer.weight.data = torch.tensor(weight)
    return nn.Sequential(nn.Flatten(), layer)


def made(descriptors=None, images=X, names=NAMES, **changes) -> Tensor:
    descriptors = [linear(weight) for weight in WEIGHTS] if descriptors is None else descriptors
    return p_fgvm_features(descriptors, torch.tensor(images), names, **SETTINGS | {"seed": 5} | changes)


def smoothed(values: np.ndarray) -> np.ndarray:
    """`values`, (H, W), under a Gaussian of 1.5 pixels cut to 11 x 11, mirrored at the border."""
    from scipy.ndimage import correlate1d

    weights = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    for axis in (0, 1):
        values = correlate1d(values, weights / weights.sum(), axis=axis, mode="mirror")
    return values


def hidden(x: np.ndarray) -> np.ndarray:
    """2σ² + c₂ of one image, (H, W), its mean 1, cut off at 4."""
    grey = x.mean(axis=0)
    weight = 2 * (smoothed(grey**2) - smoothed(grey) ** 2) + 0.03**2
    return np.minimum(weight / weight.mean(), 4)


def by_hand(x: np.ndarray, name: str) -> np.ndarray:
    """Three steps of the equation on one image, without views."""
    x_adv = np.clip(x + seeding.rng(5, "features, start", name).normal(0, 0.002, x.shape), 0, 1)
    for _ in range(3):
        g = np.zeros(x.size)
        for weight in WEIGHTS:
            moved = weight @ (x_adv - x).ravel()
            of_descriptor = weight.T @ moved / np.linalg.norm(moved)
            g -= of_descriptor / np.abs(of_descriptor).mean()
        g = g.reshape(x.shape)
        grey = g.mean(axis=0)
        g = hidden(x) ** 0.7 * (grey + 0.4 * (g - grey))
        x_adv = np.clip(x_adv - 0.3 * (0.01 * g / np.abs(g).mean() + 0.9 * (x_adv - x)), 0, 1)
    return x_adv


def test_p_fgvm_features_is_its_equation():
    expected = np.array([by_hand(x, name) for x, name in zip(X, NAMES, strict=True)])
    assert (np.abs(expected - X).mean(axis=(1, 2, 3)) > 0.004).all()
    np.testing.assert_allclose(made().numpy(), expected, rtol=0, atol=1e-12)


def test_an_image_depends_on_no_other():
    alone = made(images=X[1:2], names=NAMES[1:2], views=2, **VARIED)
    among = made(views=2, **VARIED)
    np.testing.assert_allclose(alone, among[1:2], rtol=0, atol=1e-12)


def test_random_numbers_depend_on_seed_and_name():
    jittered = partial(made, views=2, **VARIED)
    first = jittered()
    assert torch.equal(first, jittered())
    for other in (jittered(seed=6), jittered(names=["x", "y", "z"])):
        assert (other != first).flatten(1).any(dim=1).all()


def test_no_steps_leave_the_start_and_no_images_nothing():
    start = np.clip(X + [seeding.rng(5, "features, start", name).normal(0, 0.002, SHAPE) for name in NAMES], 0, 1)
    np.testing.assert_array_equal(made(iterations=0), start)
    assert made(images=X[:0], names=[]).shape == (0, *SHAPE)


def test_features_move_away():
    descriptor = linear(WEIGHTS[0])
    x_adv = made([descriptor], iterations=20, views=2, **STILL | {"scale": 0.1, "shift": 0.05})
    control = torch.tensor(X) + 0.01 * torch.from_numpy(np.random.default_rng(1).normal(size=X.shape))

    def moved(images: Tensor) -> Tensor:
        return (descriptor(images) - descriptor(torch.tensor(X))).norm(dim=1)

    assert (moved(x_adv) > 3 * moved(control)).all()


# ── The parts ─────────────────────────────────────────────────────────────────────────────────────────────────────


def drawn(images: np.ndarray, step: int = 0, names: list[str] = NAMES, **settings: Any) -> np.ndarray:
    """The views of one step, (count, B, C, H, W)."""
    views = Views(**{"count": 1, **STILL, **settings}).draw(names, 3, step)
    return np.stack([view(torch.tensor(images)).numpy() for view in views])


def test_views_that_vary_in_nothing_are_the_image():
    np.testing.assert_allclose(drawn(X, count=2), [X, X], rtol=0, atol=1e-12)


@pytest.mark.parametrize("mirror", [False, True])
def test_a_view_shows_each_image_at_its_own_scale_and_place(mirror: bool):
    # Every sample of a linear ramp is known, except at the replicated border.
    rows, columns = np.meshgrid(np.arange(14.0), np.arange(12.0), indexing="ij")
    ramp = np.broadcast_to(rows + 100 * columns, (3, 1, 14, 12))
    [views] = drawn(ramp, scale=0.2, shift=0.1, mirror=mirror)
    for image, name in zip(views, NAMES, strict=True):
        growth, down, right, side = seeding.rng(3, "view", 0, 0, name).uniform(-1, 1, 4) * (0.2, 0.1, 0.1, 1)
        across = (1 + growth) * (-1 if mirror and side < 0 else 1)
        row = np.clip(6.5 + (rows - 6.5) * (1 + growth) + 14 * down, 0, 13)
        column = np.clip(5.5 + (columns - 5.5) * across + 12 * right, 0, 11)
        np.testing.assert_allclose(image[0], row + 100 * column, rtol=0, atol=1e-9)
    assert len({image.tobytes() for image in views}) == 3


def test_about_half_of_all_views_are_mirrored():
    mirrored = 0
    for views in (drawn(X, step, count=4, mirror=True) for step in range(20)):
        for view in views.reshape(-1, 3, *SHAPE):
            as_given, reversed_ = (np.abs(view - image).max(axis=(1, 2, 3)) < 1e-9 for image in (X, X[..., ::-1]))
            assert (as_given != reversed_).all()
            mirrored += reversed_.sum()
    # 240 views: 6 standard deviations of the binomial distribution are 46.
    assert abs(mirrored - 120) < 46


def test_a_view_depends_on_seed_step_number_and_name_alone():
    views = drawn(X, count=2, **VARIED)
    np.testing.assert_array_equal(views, drawn(X, count=3, **VARIED)[:2])
    np.testing.assert_allclose(views[:, 1:2], drawn(X[1:2], names=NAMES[1:2], count=2, **VARIED), rtol=0, atol=1e-12)
    assert (views[0] != views[1]).any(axis=(1, 2, 3)).all()
    assert (views != drawn(X, 1, count=2, **VARIED)).any(axis=(2, 3, 4)).all()
    assert (views != drawn(X, count=2, names=["x", "y", "z"], **VARIED)).any(axis=(2, 3, 4)).all()


def gradient_at(descriptors: list, x_adv: np.ndarray, images: np.ndarray = X) -> Tensor:
    with feature_gradient(descriptors, torch.tensor(images)) as gradient:
        views = Views(2, **VARIED).draw(NAMES[: len(images)], 0, 0)
        return gradient(torch.tensor(x_adv), views)


def test_descriptors_weigh_alike_whatever_their_scale():
    x_adv = X + np.random.default_rng(1).normal(0, 0.01, X.shape)
    first, second = (linear(weight) for weight in WEIGHTS)
    alone = [gradient_at([descriptor], x_adv) for descriptor in (first, second)]
    for gradient in alone:
        np.testing.assert_allclose(gradient.abs().mean(dim=(1, 2, 3)), 1, rtol=0, atol=1e-12)
    together = gradient_at([first, second], x_adv)
    np.testing.assert_allclose(together, sum(alone), rtol=0, atol=1e-9)
    steep = linear(1e4 * WEIGHTS[1])
    np.testing.assert_allclose(gradient_at([first, steep], x_adv), together, rtol=0, atol=1e-9)


def test_weights_of_descriptors_do_not_depend_on_other_images():
    descriptors = [linear(weight) for weight in WEIGHTS]
    x_adv = X + np.array([0.001, 0.01, 0.1])[:, None, None, None] * np.random.default_rng(1).normal(size=X.shape)
    alone = gradient_at(descriptors, x_adv[:1], X[:1])
    np.testing.assert_allclose(gradient_at(descriptors, x_adv)[:1], alone, rtol=0, atol=1e-9)


def test_a_descriptor_without_a_gradient_adds_nothing():
    def constant(images: Tensor) -> Tensor:
        return 1 + 0 * images.flatten(1)

    x_adv, descriptor = X + 0.01, linear(WEIGHTS[0])
    assert torch.equal(gradient_at([descriptor, constant], x_adv), gradient_at([descriptor], x_adv))


def test_masking_weights_are_large_at_edges_and_small_on_plain_areas():
    image = torch.full((1, 3, 20, 30), 0.5, dtype=torch.float64)
    image[..., 20:] = 0.9
    weight = masking_weights(image)
    assert weight.shape == (1, 1, 20, 30)
    assert (weight[..., :10] < 0.2).all() and (weight[..., 19:21] == 4).all()
    plain = masking_weights(image[..., :10])
    np.testing.assert_allclose(plain, torch.ones_like(plain), rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 3), (40, 4)])
def test_an_image_smaller_than_the_window_has_masking_weights(size: tuple[int, int]):
    weight = masking_weights(torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(0)))
    assert weight.shape == (2, 1, *size) and (weight > 0).all() and (weight <= 4).all()


@pytest.mark.parametrize("chroma", [0.0, 0.3, 1.0])
def test_chroma_is_reduced(chroma: float):
    change = torch.tensor([1.0, 0.0, -0.4]).view(1, 3, 1, 1)
    x_adv = reduced_chroma(change, chroma).flatten()
    assert x_adv.tolist() == pytest.approx([0.2 + chroma * 0.8, 0.2 - chroma * 0.2, 0.2 - chroma * 0.6])


# ── Descriptors and arguments ────────────────────────────────────────────────────────────────────


def test_a_descriptor_is_left_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.ReLU(inplace=True), nn.Flatten())
    network = network.double().train()
    network[2].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first, second = made([network]), made([network])
    assert torch.equal(first, second)
    assert [module.training for module in network] == [True, True, False, True, True]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_functions_are_descriptors_and_gradient_modes_do_not_matter():
    weight = torch.tensor(WEIGHTS[0])

    def function(images: Tensor) -> Tensor:
        return images.flatten(1) @ weight.T

    expected = made([linear(WEIGHTS[0])])
    with torch.no_grad():
        x_adv = made([function])
    np.testing.assert_allclose(x_adv, expected, rtol=0, atol=1e-12)


def test_half_precision_features_are_measured_in_float32():
    def half(images: Tensor) -> Tensor:
        return images.flatten(1)[:, :8].half()

    with feature_gradient([half], torch.tensor(X)) as gradient:
        assert gradient(torch.tensor(X) + 0.01, [lambda images: images]).isfinite().all()


@pytest.mark.parametrize(
    ("descriptors", "words"),
    [
        ([], "descriptors must not be empty"),
        ([None], "must be callable"),
        ([lambda images: images], "floating-point tensor of shape"),
        ([lambda images: images.flatten(1) > 0], "floating-point tensor of shape"),
        ([lambda images: {"features": images}], "not a dict"),
        ([lambda images: images.flatten(1)[:2]], "floating-point tensor of shape"),
        ([lambda images: 0 * images.flatten(1)], "finite and not zero"),
        ([lambda images: images.flatten(1) / 0], "finite and not zero"),
        ([lambda images: images.flatten(1).detach()], "detach"),
    ],
)
def test_a_descriptor_that_cannot_be_used_is_refused(descriptors: list[Callable], words: str):
    with pytest.raises(InputError, match=words):
        made(descriptors)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step_size": 0}, "step_size must be above 0"),
        ({"iterations": -1}, "iterations must be a whole number"),
        ({"penalty": -1}, "penalty must be at least 0"),
        ({"views": 0}, "views must be a whole number, at least 1"),
        ({"scale": 1.5}, r"scale must lie in \[0, 1\]"),
        ({"shift": -0.1}, r"shift must lie in \[0, 1\]"),
        ({"mirror": 1}, "mirror must be True or False"),
        ({"masking": -1}, "masking must be at least 0"),
        ({"chroma": float("nan")}, "chroma must be finite"),
        ({"names": ["a"]}, "names must contain one name per image"),
        ({"images": 255 * X}, r"images must lie in \[0, 1\]"),
    ],
)
def test_wrong_arguments_are_named(change: dict, words: str):
    with pytest.raises(InputError, match=words):
        made(**change)

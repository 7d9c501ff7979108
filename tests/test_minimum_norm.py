"""Minimum-norm attacks against the smallest L2 of linear models, and P-FGVM's distance to the best of them.

test_any_model.py covers the kinds of models.
"""

import sys
from functools import partial
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import nnls
from torch import Tensor, nn

from pfgvm.attacks import cw_l2, ddn, fmn
from pfgvm.attacks.common import adv_lib
from pfgvm.errors import InputError
from pfgvm.evaluation.findings.l2_ratios import MINIMUM_NORM_COLUMNS, distance_to_best
from tests import small
from tests.small import CLASSES, classes

SHAPE, VALUES = (3, 5, 4), 60
ATTACKS = {
    "DDN": partial(ddn, iterations=150),
    "FMN": partial(fmn, iterations=150),
    "C&W-L2": partial(cw_l2, search_steps=6, iterations=150, learning_rate=0.01),
}
# Tolerance above the smallest L2: DDN's norm changes by 5 % per step.
TOLERANCES = {"DDN": 0.03, "FMN": 0.015, "C&W-L2": 0.02}
FEW = {
    "DDN": partial(ddn, iterations=4),
    "FMN": partial(fmn, iterations=4),
    "C&W-L2": partial(cw_l2, search_steps=2, iterations=4, learning_rate=0.1),
}
each_attack = pytest.mark.parametrize("name", ATTACKS)
each_of_few = pytest.mark.parametrize("attack", FEW.values(), ids=FEW)


def faces(count: int) -> Tensor:
    return small.faces(count, (16, 12))


@pytest.fixture(scope="module")
def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(280, CLASSES)
        )


def linear_model(classes: int, seed: int = 0) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """logits = W x + b in float64, W and b."""
    drawn = np.random.default_rng(seed)
    weight, bias = drawn.normal(size=(classes, VALUES)), drawn.normal(size=classes)
    model = nn.Sequential(nn.Flatten(), nn.Linear(VALUES, classes)).double()
    model[1].weight.data, model[1].bias.data = torch.tensor(weight), torch.tensor(bias)
    return model, weight, bias


def images(count: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    drawn = np.random.default_rng(1).uniform(low, high, size=(count, *SHAPE))
    return torch.tensor(drawn)


def norms(changed: Tensor, images: Tensor) -> np.ndarray:
    return (changed - images).flatten(1).norm(dim=1).numpy()


# ── The smallest L2 ───────────────────────────────────────────────────────────────────────────────────────────────


def bent(model: nn.Sequential) -> nn.Sequential:
    """The linear `model` with logits that are bent, so that its classes part at the same planes.

    On a linear one FMN's step ends on the plane itself, where the last bit of a sum decides whether it has reached the
    target: on some processors it never does.
    """
    return nn.Sequential(*model, Scaled(), nn.Tanh())


class Scaled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 0.1 * x


def reached(model: nn.Sequential, x: Tensor, targets: Tensor) -> bool:
    """Whether the targets' logits of a linear `model`, W x + b, are the largest, or as large but for rounding.

    The last bit of a sum depends on the processor and on where its numbers lie. A sum of n products is wrong by
    n·u·(|W| |x| + |b|) at most (Higham, Accuracy and Stability of Numerical Algorithms, 3.1), u being half of float64's
    epsilon, and two of them are compared.
    """
    linear = model[1]
    with torch.no_grad():
        logits = model[:2](x)
        size = x.flatten(1).abs() @ linear.weight.abs().T + linear.bias.abs()
    rounding = 2 * (VALUES + 1) * torch.finfo(torch.float64).eps / 2 * size.max()
    return bool((logits.gather(1, targets[:, None]) >= logits - rounding).all())


@each_attack
def test_between_two_classes_it_goes_to_the_plane_that_parts_them(name):
    model, weight, bias = linear_model(2)
    x, targets = images(8, 0.4, 0.6), torch.ones(8, dtype=torch.int64)
    normal = weight[1] - weight[0]
    # A plane beyond all images, the farther the later.
    middle = x.flatten(1).numpy() @ normal + bias[1] - bias[0]
    model[1].bias.data[0] += middle.max() + 2
    distances = (middle.max() + 2 - middle) / np.linalg.norm(normal)
    x_adv = ATTACKS[name](bent(model), x, targets)
    assert x_adv.min() > 0 and x_adv.max() < 1  # no pixel meets its bounds
    assert reached(model, x_adv, targets)
    check_near(norms(x_adv, x), distances, TOLERANCES[name])
    along = (x_adv - x).flatten(1).numpy() @ normal / np.linalg.norm(normal)
    np.testing.assert_allclose(along, distances, rtol=TOLERANCES[name])


def check_near(x_adv: np.ndarray, smallest: np.ndarray, tolerance: float) -> None:
    assert (smallest > 0.03).all()
    # Above it but for rounding, as what is found has reached the target.
    assert (x_adv >= (1 - 1e-9) * smallest).all() and (x_adv <= (1 + tolerance) * smallest).all()


def smallest_l2(weight: np.ndarray, bias: np.ndarray, x: np.ndarray, target: int) -> float:
    """The least ‖δ‖ with the target's logit at x + δ the largest and x + δ in [0, 1]: least-distance programming.

    min ‖δ‖ with G δ ≥ h is a problem of non-negative least squares (Lawson and Hanson, Chapter 23).
    """
    differences = np.delete(weight[target] - weight, target, 0)
    margins = np.delete(bias - bias[target], target) - differences @ x
    g = np.vstack([differences, np.eye(VALUES), -np.eye(VALUES)])
    h = np.concatenate([margins, -x, x - 1])
    system, right = np.vstack([g.T, h]), np.r_[np.zeros(VALUES), 1.0]
    residual = system @ nnls(system, right)[0] - right
    return float(np.linalg.norm(residual[:-1] / residual[-1]))


def check_among_five(name: str, x: Tensor, tolerance: float) -> Tensor:
    model, weight, bias = linear_model(5)
    flat = x.flatten(1).numpy()
    predicted = (flat @ weight.T + bias).argmax(1)
    targets = (predicted + 1 + np.arange(len(x)) % 4) % 5
    smallest = np.array([smallest_l2(weight, bias, *pair) for pair in zip(flat, targets, strict=True)])
    # The others stop on either side of a plane, and where it is bent farther from it.
    x_adv = ATTACKS[name](bent(model) if name == "FMN" else model, x, torch.tensor(targets))
    assert reached(model, x_adv, torch.tensor(targets))
    check_near(norms(x_adv, x), smallest, tolerance)
    return x_adv


@each_attack
def test_among_five_classes_it_is_near_the_smallest(name):
    x_adv = check_among_five(name, images(8, 0.4, 0.6), TOLERANCES[name])
    assert x_adv.min() > 0 and x_adv.max() < 1


# FMN may miss the target there, and C&W's tanh keeps pixels at 0 and 1.
def test_where_pixels_meet_their_bounds_ddn_is_near_the_smallest_still():
    x_adv = check_among_five("DDN", images(8).round(decimals=1), 0.06)
    assert (x_adv == 0).any() and (x_adv == 1).any()


@each_attack
def test_an_image_already_classified_as_its_target_hardly_changes(name):
    model, _, _ = linear_model(5)
    x = images(4)
    x_adv = ATTACKS[name](model, x, model(x).argmax(1))
    # C&W's tanh cannot represent 0 and 1 exactly.
    assert norms(x_adv, x).max() <= (1e-5 if name == "C&W-L2" else 0)


@each_of_few
def test_without_success_the_image_is_returned(attack):
    model, _, _ = linear_model(2)
    model[1].bias.data[1] = -1e6  # no image reaches it
    x = images(4)
    assert torch.equal(attack(model, x, torch.ones(4, dtype=torch.int64)), x)


# ── Properties of every attack ────────────────────────────────────────────────────────────────────────────────────


@each_of_few
def test_the_result_is_an_image_like_the_input(attack, model):
    x = faces(4)
    before = torch.random.get_rng_state()
    result = attack(model, x, classes(4))
    assert (result.shape, result.dtype, result.device) == (x.shape, x.dtype, x.device)
    assert result.min() >= 0 and result.max() <= 1 and not result.requires_grad
    assert torch.equal(x, faces(4)) and not x.requires_grad
    assert torch.equal(torch.random.get_rng_state(), before)


@each_of_few
def test_no_iterations_return_the_image_in_memory_of_its_own(attack, model):
    x = faces(2)
    result = attack(model, x, classes(2), iterations=0)
    assert torch.equal(result, faces(2))
    result.zero_()
    assert torch.equal(x, faces(2))


@each_of_few
def test_no_images_give_no_images(attack):
    x = torch.zeros(0, 3, 8, 8)
    result = attack(lambda images: images.view(len(images), -1), x, torch.zeros(0, dtype=torch.int64))
    assert (result.shape, result.dtype) == (x.shape, x.dtype)


SUCCEEDING = {
    "DDN": partial(ddn, iterations=20),
    "FMN": partial(fmn, iterations=20),
    "C&W-L2": partial(cw_l2, search_steps=3, iterations=20, learning_rate=0.1),
}


@pytest.mark.parametrize("attack", SUCCEEDING.values(), ids=SUCCEEDING)
def test_neighbours_in_the_batch_change_no_bit(attack, model):
    x, targets = faces(16), classes(16)
    changed = x.flip(0)
    changed[3] = x[3]
    there = targets.clone()
    # At their targets from the start: no image may end the search for the others.
    there[4:] = model(changed[4:]).argmax(1)
    first, second = attack(model, x, targets), attack(model, changed, there)
    assert torch.equal(first[3], second[3]) and not torch.equal(first[3], x[3])


class Flat(nn.Module):
    """Predicts class 1 if the mean is above 0.6; below, the logits are constant and the gradient is zero."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.flatten(1).mean(1)
        return torch.stack([torch.full_like(mean, 0.5), (mean - 0.6).relu()], 1)


def test_ddn_draws_no_random_numbers_where_there_is_no_gradient():
    x, targets = 0.4 + 0.1 * faces(5), torch.ones(5, dtype=torch.int64)
    asked = []

    def model(images: Tensor) -> Tensor:
        asked.append(images.detach())
        return Flat()(images)

    attack = partial(ddn, iterations=3)
    before = torch.random.get_rng_state()
    attack(model, x, targets)
    together = asked[-1]
    assert torch.equal(torch.random.get_rng_state(), before)
    # It moved, and each image by itself in the same way.
    moved = norms(together, x)
    assert (moved > 0.5).all()
    asked.clear()
    attack(model, x[2:3], targets[2:3])
    torch.testing.assert_close(asked[-1][0], together[2], rtol=0, atol=1e-6)


@each_of_few
def test_the_order_in_memory_makes_no_difference(attack):
    model, _, _ = linear_model(5)
    x, targets = images(4), torch.arange(4)
    expected = attack(model, x, targets)
    assert not torch.equal(expected, x)
    x_adv = attack(model, x.to(memory_format=torch.channels_last), targets)
    torch.testing.assert_close(x_adv, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("attack", SUCCEEDING.values(), ids=SUCCEEDING)
def test_success_is_kept_in_a_coarse_type(attack, dtype):
    model, _, _ = linear_model(5)
    model = model.to(dtype)
    x, targets = images(4).to(dtype), torch.arange(4)
    x_adv = attack(model, x, targets)
    assert x_adv.dtype == dtype and torch.equal(model(x_adv).argmax(1), targets)
    assert (norms(x_adv.double(), x.double()) < 2).all()


# ── Arguments ─────────────────────────────────────────────────────────────────────────────────────────────────────


@each_of_few
def test_wrong_arguments_are_refused(attack, model):
    for changed, message in (
        ({"images": 255 * faces(2)}, r"images must lie in \[0, 1\]"),
        ({"targets": classes(3)}, r"targets must have shape \(2,\)"),
        ({"targets": torch.tensor([0, 9])}, "targets must lie in 0 … 4"),
        ({"model": 3}, "model must be callable"),
    ):
        with pytest.raises(InputError, match=message):
            attack(**({"model": model, "images": faces(2), "targets": classes(2)} | changed))


WRONG_NUMBERS = [
    *[(name, "iterations", value) for name in FEW for value in (-1, 2.0, np.nan, "1", None, True)],
    *[("C&W-L2", "search_steps", value) for value in (-1, 2.0, None)],
    *[("C&W-L2", "learning_rate", value) for value in (0, -1.0, np.nan, np.inf, "1", None)],
]


@pytest.mark.parametrize(("name", "argument", "value"), WRONG_NUMBERS)
def test_wrong_numbers_are_refused(name, argument, value, model):
    with pytest.raises(InputError, match=f"^{argument} must be "):
        FEW[name](model, faces(2), classes(2), **{argument: value})


def test_the_stand_in_for_the_plotting_server_exists_only_during_the_import(monkeypatch):
    monkeypatch.delitem(sys.modules, "visdom", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "adv_lib"]:
        monkeypatch.delitem(sys.modules, name)
    assert callable(adv_lib.load("ddn")) and "visdom" not in sys.modules
    # An installed one is not replaced.
    visdom = ModuleType("visdom")
    monkeypatch.setitem(sys.modules, "visdom", visdom)
    adv_lib.load("fmn")
    assert sys.modules["visdom"] is visdom


@each_of_few
def test_without_adv_lib_the_remedy_is_named(attack, model, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "adv_lib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "adv_lib", None)
    with pytest.raises(InputError, match=r"needs adv-lib.*`make setup`"):
        attack(model, faces(2), classes(2))
    assert "visdom" not in sys.modules


# ── Distance to the best ──────────────────────────────────────────────────────────────────────────────────────────


def scores(*lines: tuple[str, str, str, str, float, str]) -> pd.DataFrame:
    """Lines of model, method, image, prediction, L2 and pixel format; every image's target is t."""
    table = pd.DataFrame(lines, columns=["model", "method", "image", "predicted", "l2", "pixels"])
    return table.assign(person=table["image"].str[0], target="t")


def test_the_best_l2_of_an_image_is_the_smallest_that_reaches_its_target():
    table = scores(
        ("A", "P-FGVM", "a1", "t", 3.0, "float"),
        ("A", "P-FGVM", "a2", "t", 4.0, "float"),
        ("A", "P-FGVM", "b1", "t", 2.0, "float"),
        # Still classified correctly: neither misses its own person nor reaches the target.
        ("A", "P-FGVM", "b2", "b", 0.1, "float"),
        ("A", "I-FGSM", "a1", "t", 2.5, "float"),
        ("A", "I-FGSM", "a2", "x", 0.2, "float"),
        ("A", "DDN", "a1", "t", 1.0, "float"),
        ("A", "DDN", "a2", "t", 5.0, "float"),
        ("A", "DDN", "b1", "x", 0.3, "float"),
        # Not among the methods asked for.
        ("A", "Noise", "a1", "t", 0.01, "float"),
        # As published, and on a model without minimum-norm attacks.
        ("A", "DDN", "b1", "t", 0.4, "8bit"),
        ("B", "P-FGVM", "a1", "t", 9.0, "float"),
    )
    x_adv = distance_to_best(table, ("P-FGVM", "I-FGVM", "I-FGSM"), ("DDN", "FMN"))
    assert list(x_adv) == MINIMUM_NORM_COLUMNS
    by_method = {row["method"]: row for row in x_adv.to_dict("records")}
    assert list(by_method) == ["P-FGVM", "I-FGSM", "DDN"] and set(x_adv["model"]) == {"A"}
    # The best: 1 of a1, 4 of a2 (P-FGVM's own), 2 of b1. Excess: 2 and 0 of a, 0 of b.
    assert by_method["P-FGVM"] == pytest.approx(
        {
            "model": "A", "method": "P-FGVM", "images": 3, "reached": 0.75, "l2": 3, "l2_best": 7 / 3,
            "excess": 2 / 3, "low": 0, "high": 1,
        }
    )  # fmt: skip
    assert (by_method["I-FGSM"]["excess"], by_method["I-FGSM"]["reached"]) == (1.5, 0.5)
    assert np.isnan(by_method["I-FGSM"]["low"])
    assert (by_method["DDN"]["l2"], by_method["DDN"]["l2_best"], by_method["DDN"]["excess"]) == (3, 2.5, 0.5)


def test_without_minimum_norm_attacks_there_is_no_best():
    x_adv = distance_to_best(scores(("A", "P-FGVM", "a1", "t", 3.0, "float")), ("P-FGVM",), ("DDN",))
    assert list(x_adv) == MINIMUM_NORM_COLUMNS and x_adv.empty

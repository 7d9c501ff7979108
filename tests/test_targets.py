"""Target identities under each policy, and the keyed random numbers behind them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from pfgvm import seeding
from pfgvm.attacks.common.targets import choose_targets
from pfgvm.errors import InputError

POLICIES = ("random", "least_likely", "second_most_likely")


def random_targets(images: list[str], classes: torch.Tensor, persons: int = 5, seed: int = 1) -> torch.Tensor:
    return choose_targets("random", images, classes, torch.zeros(len(images), persons), seed)


NAMES = [f"{i:06}.jpg" for i in range(2000)]


@given(st.sampled_from(POLICIES), st.integers(2, 40), st.integers(1, 12), st.integers(0, 2**32), st.data())
def test_no_target_is_the_true_identity(policy, persons, count, seed, data):
    classes = torch.tensor(data.draw(st.lists(st.integers(0, persons - 1), min_size=count, max_size=count)))
    # few distinct values: ties are the rule
    row = st.lists(st.integers(-2, 2), min_size=persons, max_size=persons)
    logits = torch.tensor(data.draw(st.lists(row, min_size=count, max_size=count)), dtype=torch.float32)
    targets = choose_targets(policy, NAMES[:count], classes, logits, seed)
    assert targets.dtype == torch.int64 and targets.shape == (count,)
    assert (targets != classes).all() and targets.min() >= 0 and targets.max() < persons


@pytest.mark.parametrize("shift", [0, -10, 10])
def test_likely_persons_are_read_off_the_logits(shift):
    logits = torch.tensor([[3.0, -1.0, 2.0, 0.0]] * 3) + shift  # the softmax is invariant to a shift
    classes = torch.tensor([0, 1, 2])
    assert choose_targets("least_likely", NAMES[:3], classes, logits, 0).tolist() == [1, 3, 1]
    assert choose_targets("second_most_likely", NAMES[:3], classes, logits, 0).tolist() == [2, 0, 0]


def test_random_targets_depend_on_seed_and_name_alone():
    classes = torch.arange(100) % 5
    targets = random_targets(NAMES[:100], classes)
    for order in (torch.arange(99, -1, -1), torch.tensor([17]), torch.arange(40, 60)):
        names = [NAMES[i] for i in order]
        assert torch.equal(random_targets(names, classes[order]), targets[order])
    assert not torch.equal(random_targets(NAMES[:100], classes, seed=2), targets)
    assert not torch.equal(random_targets(NAMES[100:200], classes), targets)


def test_random_targets_fall_on_all_others_alike():
    targets = random_targets(NAMES, torch.full((len(NAMES),), 2))
    counts = torch.bincount(targets, minlength=5)[[0, 1, 3, 4]]
    assert chisquare(counts.numpy()).pvalue > 0.001


def test_an_unknown_policy_is_refused():
    with pytest.raises(InputError, match="policy must be random, least_likely or second_most_likely, not 'any'"):
        choose_targets("any", NAMES[:1], torch.zeros(1, dtype=torch.int64), torch.zeros(1, 5), 0)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("persons", [0, 1])
def test_a_model_of_one_person_is_refused(policy, persons):
    with pytest.raises(InputError, match=f"the model has {persons} classes, and a target differs"):
        choose_targets(policy, NAMES[:1], torch.zeros(1, dtype=torch.int64), torch.zeros(1, persons), 0)


@pytest.mark.parametrize("policy", POLICIES)
def test_no_images_have_no_targets(policy):
    targets = choose_targets(policy, [], torch.zeros(0, dtype=torch.int64), torch.zeros(0, 5), 0)
    assert targets.dtype == torch.int64 and targets.shape == (0,)


def test_keyed_randomness_is_the_same_everywhere():
    # the first 16 bytes of the SHA-256 of the key as JSON
    assert seeding.derive_seed(20190501, "target", "000001.jpg") == 236236626924524342008489499835458577538
    assert seeding.shuffled(NAMES[:6], 1, "subset") == [NAMES[i] for i in (0, 1, 5, 4, 2, 3)]
    drawn = seeding.rng(1, "noise", "000001.jpg").normal(size=3)
    expected = [-0.7567290277876902, -0.8029610494574565, 0.5227798123973122]
    np.testing.assert_allclose(drawn, expected, rtol=1e-12)


def test_keyed_randomness_differs_by_every_part_of_the_key():
    keys = [
        (1, "a", "b"),
        (2, "a", "b"),
        (1, "b", "b"),
        (1, "a", "c"),
        (1, "ab", ""),
        ("1", "a", "b"),
        (1, "a"),
    ]
    assert len({seeding.derive_seed(*key) for key in keys}) == len(keys)
    assert len({seeding.rng(*key).random() for key in keys}) == len(keys)
    assert seeding.shuffled(NAMES[:50], 1) != seeding.shuffled(NAMES[:50], 2)


@given(st.lists(st.text(max_size=4), max_size=20), st.randoms())
def test_a_shuffle_does_not_depend_on_the_input_order(names, random):
    other = names.copy()
    random.shuffle(other)
    shuffled = seeding.shuffled(names, 1, "subset")
    assert shuffled == seeding.shuffled(other, 1, "subset")
    assert sorted(shuffled) == sorted(set(names))

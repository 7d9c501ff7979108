"""The stratified split: whole numbers nearest to the shares, equal for every identity up to one image."""

import random
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pfgvm.errors import InputError
from pfgvm.faces.stratified_split import apportion, stratified_split

PAPER = {"train": 0.70, "validation": 0.15, "test": 0.15}
# Shares in whole per cent, so that exact arithmetic can judge what binary fractions gave.
per_cent = st.tuples(st.integers(1, 98), st.integers(1, 98)).filter(lambda two: sum(two) < 100)


def shares_of(train_and_validation: tuple[int, int]) -> dict[str, Fraction]:
    train, validation = train_and_validation
    parts = {"train": train, "validation": validation, "test": 100 - train - validation}
    return {name: Fraction(part, 100) for name, part in parts.items()}


def in_binary(shares: dict[str, Fraction]) -> dict[str, float]:
    return {name: float(share) for name, share in shares.items()}


def people(persons: int, images: int) -> dict[str, list[str]]:
    return {f"p{person}": [f"p{person}/{image}.jpg" for image in range(images)] for person in range(persons)}


def counts(images: dict[str, list[str]], split: dict[str, str]) -> dict[str, Counter]:
    """Person -> images in each split."""
    return {person: Counter(split[image] for image in names) for person, names in images.items()}


def test_the_papers_900_images_come_to_630_135_135():
    assert apportion(900, PAPER) == {"train": 630, "validation": 135, "test": 135}
    images = people(30, 30)
    split = stratified_split(images, PAPER, seed=0)
    assert Counter(split.values()) == {"train": 630, "validation": 135, "test": 135}
    for numbers in counts(images, split).values():
        assert numbers["train"] == 21 and sorted([numbers["validation"], numbers["test"]]) == [4, 5]


@given(st.integers(0, 5000), per_cent)
@example(2, (4, 73))  # 0.08, 1.46 and 0.46: of two equal remainders the second split's goes before the third's
@settings(deadline=None)
def test_apportioned_numbers_are_those_of_the_largest_remainders(total: int, parts: tuple[int, int]):
    shares = shares_of(parts)
    result = apportion(total, in_binary(shares))
    floors = {name: int(total * share) for name, share in shares.items()}
    # sorted() is stable: of equal remainders the first one precedes.
    order = sorted(shares, key=lambda name: floors[name] - total * shares[name])
    given_up = set(order[: total - sum(floors.values())])
    assert result == {name: floors[name] + (name in given_up) for name in shares}
    assert sum(result.values()) == total


@given(st.integers(2, 12), st.integers(3, 40), per_cent, st.integers(0, 2**32))
@example(30, 30, (70, 15), 0)
@example(7, 10, (70, 15), 0)
@settings(deadline=None)
def test_every_image_lands_once_and_persons_differ_by_one_at_most(
    persons: int, count: int, parts: tuple[int, int], seed: int
):
    shares, images = shares_of(parts), people(persons, count)
    if min(shares.values()) * count < 1:
        with pytest.raises(InputError):
            stratified_split(images, in_binary(shares), seed)
        return
    split = stratified_split(images, in_binary(shares), seed)
    assert sorted(split) == sorted(image for names in images.values() for image in names)
    assert dict(Counter(split.values())) == apportion(persons * count, in_binary(shares))
    numbers = counts(images, split).values()
    for name in shares:
        assert 1 <= min(person[name] for person in numbers)
        assert max(person[name] for person in numbers) - min(person[name] for person in numbers) <= 1


@given(st.integers(2, 8), st.integers(7, 20), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_persons_and_images_does_not_matter(persons: int, count: int, order: random.Random):
    images = people(persons, count)
    names = list(images)
    order.shuffle(names)
    mixed = {name: order.sample(images[name], count) for name in names}
    assert stratified_split(mixed, PAPER, 3) == stratified_split(images, PAPER, 3)


def test_the_seed_changes_which_images_are_tested():
    images = people(4, 20)
    splits = [stratified_split(images, PAPER, seed) for seed in range(5)]
    assert len({frozenset(split.items()) for split in splits}) == 5


def test_persons_are_split_independently():
    images = people(30, 20)
    split = stratified_split(images, PAPER, seed=0)
    tested = {frozenset(image.split("/")[1] for image in names if split[image] == "test") for names in images.values()}
    assert len(tested) > 15


@pytest.mark.parametrize(
    ("count", "shares", "scarce"),
    [
        (6, PAPER, "validation"),
        (3, PAPER, "validation"),
        (9, {"train": 0.05, "validation": 0.15, "test": 0.80}, "train"),
        (9, {"train": 0.80, "validation": 0.15, "test": 0.05}, "test"),
    ],
)
def test_a_split_without_an_image_of_each_person_is_refused(count: int, shares: dict[str, float], scarce: str):
    with pytest.raises(InputError) as refused:
        stratified_split(people(4, count), shares, seed=0)
    for word in [f"{count} images per identity", f"no {scarce} image", "subset.images_per_person"]:
        assert word in str(refused.value)


def test_seven_images_are_enough_for_the_papers_shares():
    numbers = counts(people(4, 7), stratified_split(people(4, 7), PAPER, seed=0)).values()
    assert all(min(person[name] for name in PAPER) >= 1 for person in numbers)


def test_a_share_of_just_one_image_is_enough():
    assert 49 * (1 / 49) < 1  # in binary
    split = stratified_split(people(2, 49), {"train": 47 / 49, "validation": 1 / 49, "test": 1 / 49}, seed=0)
    assert Counter(split.values()) == {"train": 94, "validation": 2, "test": 2}


def test_unequal_persons_are_refused():
    images = people(2, 10)
    images["p1"].pop()
    with pytest.raises(InputError, match=r"\[9, 10\] images;"):
        stratified_split(images, PAPER, seed=0)

"""Conventional methods: pixelation, blur, masking and k-Same by their equations, their batches and arguments."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.attacks import clean, gaussian_blur, k_same, masking, pixelation
from pfgvm.attacks.common.context import Context, Gallery
from pfgvm.attacks.methods import k_same as k_same_method
from pfgvm.errors import InputError
from pfgvm.faces.geometry import CELEBA_POINTS
from tests.small import faces

METHODS = {
    "Clean": clean,
    "Pixelation": partial(pixelation, blocks=9),
    "Gaussian blur": partial(gaussian_blur, sigma=0.04),
    "Masking": masking,
    "k-Same": partial(k_same, k=2),
}
each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
of_one_image = pytest.mark.parametrize("name", [name for name in METHODS if name != "k-Same"])


# ── Pixelation ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("size", "blocks", "side"), [((12, 12), 3, 4), ((20, 12), 3, 4), ((7, 10), 5, 2), ((5, 4), 4, 1), ((9, 6), 1, 6)]
)
def test_a_block_is_the_mean_of_what_it_covers(size, blocks, side):
    images = faces(2, size)
    x = images.double().numpy()
    expected = np.empty_like(x)
    # Blocks at the bottom may be cut off.
    for top in range(0, size[0], side):
        for left in range(0, size[1], side):
            block = np.s_[..., top : top + side, left : left + side]
            expected[block] = x[block].mean((2, 3), keepdims=True)
    result = pixelation(images, blocks=blocks)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("size", "blocks"), [((109, 89), 12), ((218, 178), 12), ((16, 11), 7), ((5, 9), 8)])
def test_where_the_side_is_no_whole_number_blocks_differ_by_a_pixel(size, blocks):
    height, width = size
    result = pixelation(faces(1, size), blocks=blocks)[0, 0].numpy()
    side = width / blocks
    for line, length in ((result[0], width), (result[:, 0], height)):
        edges = np.r_[0, np.flatnonzero(np.diff(line)) + 1, length]
        # The centre of each pixel is inside its block.
        of_block = np.floor((np.arange(length) + 0.5) / side)
        np.testing.assert_array_equal(edges, np.r_[0, np.flatnonzero(np.diff(of_block)) + 1, length])
        lengths = np.diff(edges)[:-1] if length == height else np.diff(edges)
        assert set(lengths) <= {int(side), int(side) + 1}
    assert len(np.unique(result[0])) == blocks


# ── Gaussian blur ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_blur_is_a_gaussian_of_the_mirrored_image():
    images = faces(2, (15, 20))
    σ, reach = 0.06 * 20, 5  # four σ, rounded
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * σ**2))
    weights /= weights.sum()
    mirrored = np.pad(images.double().numpy(), [(0, 0), (0, 0), (reach, reach), (reach, reach)], mode="symmetric")
    expected = sum(
        weights[i] * weights[j] * mirrored[:, :, i : i + 15, j : j + 20]
        for i in range(2 * reach + 1)
        for j in range(2 * reach + 1)
    )
    np.testing.assert_allclose(gaussian_blur(images, sigma=0.06), expected, rtol=0, atol=1e-7)


def test_the_blur_keeps_a_plain_image_in_range():
    for value in (0.0, 1 / 3, 1.0):
        plain = torch.full((1, 3, 9, 7), value, dtype=torch.float64)
        result = gaussian_blur(plain, sigma=0.2)
        torch.testing.assert_close(result, plain, rtol=0, atol=1e-14)
        assert result.max() <= 1


def test_the_blur_is_in_widths_of_the_image():
    # A step from black to white at twice the size: the same image.
    small, large = torch.zeros(1, 1, 4, 60), torch.zeros(1, 1, 8, 120)
    small[..., 30:], large[..., 60:] = 1, 1
    result = gaussian_blur(large, sigma=0.05).unfold(3, 2, 2).mean(-1)[:, :, :4]
    torch.testing.assert_close(result, gaussian_blur(small, sigma=0.05), rtol=0, atol=0.003)


# ── Masking ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_the_mask_is_a_black_bar_over_both_eyes(scale):
    height, width = int(218 * scale), int(178 * scale)
    images = 0.5 + 0.5 * faces(2, (height, width))
    result = masking(images)
    black = (result == 0).all(1)
    assert torch.equal(result.masked_fill(black[:, None], 0), images.masked_fill(black[:, None], 0))
    assert torch.equal(black[0], black[1])
    rows, columns = (np.flatnonzero(black[0].any(axis).numpy()) for axis in (1, 0))
    assert black[0].sum() == len(rows) * len(columns)  # a rectangle
    # Edges in pixels of CelebA's images: half the eyes' distance, 38, beside them, three tenths of it above and below.
    edges = np.array([columns[0], columns[-1] + 1, rows[0], rows[-1] + 1]) / scale - 0.5
    np.testing.assert_allclose(edges, [69.5 - 19, 107.5 + 19, 111 - 11.4, 111 + 11.4], rtol=0, atol=0.51 / scale)
    for x, y in CELEBA_POINTS[:2]:
        assert black[0, round((y + 0.5) * scale - 0.5), round((x + 0.5) * scale - 0.5)]
    for x, y in CELEBA_POINTS[2:]:
        assert not black[0, round((y + 0.5) * scale - 0.5), round((x + 0.5) * scale - 0.5)]


# ── k-Same ────────────────────────────────────────────────────────────────────────────────────────────────────────


def written_out(x: np.ndarray, k: int) -> np.ndarray:
    """k-Same by its definition."""
    result, left = np.empty_like(x), set(range(len(x)))
    while left:
        if len(left) < 2 * k:
            cluster = left
        else:
            first = min(left)
            cluster = set(sorted(left, key=lambda other: ((x[other] - x[first]) ** 2).sum())[:k])
        result[list(cluster)] = x[list(cluster)].mean(0)
        left = left - cluster
    return result


@pytest.mark.parametrize(("count", "k"), [(6, 2), (7, 3), (9, 3), (11, 4), (3, 5), (1, 2), (5, 1)])
def test_each_image_is_the_mean_of_its_cluster(count, k):
    images = faces(count, (8, 6))
    result = k_same(images, k=k)
    np.testing.assert_allclose(result, written_out(images.double().numpy(), k), rtol=0, atol=1e-7)
    shared = [int((result == image).flatten(1).all(1).sum()) for image in result]
    assert min(shared) >= min(k, count) and max(shared) <= max(2 * k - 1, k)


def test_equal_images_share_a_cluster_by_the_order_in_which_they_are_taken():
    images = torch.stack([torch.full((3, 4, 4), value) for value in (0.5, 0.5, 0.5, 0.5, 0.9, 0.1)])
    result = k_same(images, k=3)[:, 0, 0, 0]
    torch.testing.assert_close(result, torch.tensor([0.5, 0.5, 0.5, 0.5, 0.5, 0.5]), rtol=0, atol=1e-7)
    assert torch.equal(k_same(images[:4], k=2), images[:4])


PERSONS = 7
NAMES = [f"{person}-{number}.jpg" for number in range(4) for person in range(PERSONS)]
PIXELS = dict(zip(NAMES, faces(len(NAMES), (8, 6)), strict=True))
VALUES = {"k": 3, "seed": 5}


def person_of(name: str) -> str:
    return name.partition("-")[0]


def gallery(names: Sequence[str] = NAMES, read: Callable[[Sequence[str]], Tensor] | None = None) -> Gallery:
    read = read or (lambda asked: torch.stack([PIXELS[name] for name in asked]))
    return Gallery(names, [person_of(name) for name in names], read)


def by_k_same(names: Sequence[str], of: Gallery, **values: int) -> Tensor:
    images = torch.stack([PIXELS[name] for name in names])
    return k_same_method.deidentify(Context(images, names, {"gallery": lambda: of}), **(VALUES | values))


def clusters(made: Tensor) -> list[list[str]]:
    """Groups of NAMES with equal images."""
    of = [[name for name, other in zip(NAMES, made, strict=True) if torch.equal(other, image)] for image in made]
    return [list(names) for names in dict.fromkeys(map(tuple, of))]


def test_in_the_pipeline_each_face_is_shared_by_k_persons_or_more():
    made = by_k_same(NAMES, gallery())
    result = clusters(made)
    assert sorted(map(len, result)) == [3, 3, 3, 3, 4, 4, 4, 4]
    for names in result:
        assert len({person_of(name) for name in names}) == len(names)
        mean = torch.stack([PIXELS[name] for name in names]).double().mean(0)
        torch.testing.assert_close(made[NAMES.index(names[0])].double(), mean, rtol=0, atol=1e-7)
    assert not torch.equal(by_k_same(NAMES, gallery(), seed=6), made)


def test_a_round_is_one_image_of_each_person_and_clustered_by_itself():
    made = by_k_same(NAMES, gallery())
    persons = sorted(set(map(person_of, NAMES)))
    drawn = [seeding.shuffled([f"{person}-{i}.jpg" for i in range(4)], 5, "k-Same round", person) for person in persons]
    for names in zip(*drawn, strict=True):
        taken = seeding.shuffled(names, 5, "k-Same order")
        expected = written_out(np.stack([PIXELS[name].double() for name in taken]), 3)
        np.testing.assert_allclose(made[[NAMES.index(name) for name in taken]], expected, rtol=0, atol=1e-7)


def test_neither_the_gallerys_order_nor_the_batch_changes_a_bit():
    made = by_k_same(NAMES, gallery())
    drawn = np.random.default_rng(0).permutation(len(NAMES))
    assert torch.equal(by_k_same(NAMES, gallery([NAMES[i] for i in drawn])), made)
    shared = gallery()
    for numbers in (drawn[:5], drawn[5:6], [3, 3, 3]):
        assert torch.equal(by_k_same([NAMES[i] for i in numbers], shared), made[list(numbers)])


def test_persons_with_fewer_images_leave_the_later_rounds_to_the_others():
    names = [name for name in NAMES if person_of(name) != "0" or name == "0-2.jpg"]
    made = by_k_same(names, gallery(names))
    shared = [int((made == image).flatten(1).all(1).sum()) for image in made]
    assert min(shared) == 3 and sum(size == 4 for size in shared) == 4


def test_fewer_than_k_persons_all_share_one_face():
    names = [name for name in NAMES if person_of(name) in "01"]
    made = by_k_same(names, gallery(names))
    assert sorted(int((made == image).flatten(1).all(1).sum()) for image in made) == [2] * len(names)


def test_no_more_than_a_round_is_read_at_a_time_and_clusters_are_computed_once():
    asked = []

    def read(names: Sequence[str]) -> Tensor:
        asked.append(len(names))
        return torch.stack([PIXELS[name] for name in names])

    of = gallery(read=read)
    by_k_same(NAMES[:2], of)
    assert max(asked) == PERSONS and asked.count(PERSONS) == 4
    by_k_same(NAMES[2:], of)
    assert asked.count(PERSONS) == 4


# ── Batches and arguments ─────────────────────────────────────────────────────────────────────────────────────────


@each_method
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_the_result_is_like_the_input_and_shares_no_memory(method, dtype):
    images = faces(4, (16, 12)).to(dtype)
    before = images.clone()
    result = method(images)
    assert (result.shape, result.dtype, result.device) == (images.shape, images.dtype, images.device)
    assert result.min() >= 0 and result.max() <= 1
    assert torch.equal(result, images) == (method is clean)
    result.zero_()
    assert torch.equal(images, before)


@of_one_image
def test_an_images_result_is_its_own(name):
    images = faces(5, (37, 30))
    together = METHODS[name](images)
    assert torch.equal(torch.cat([METHODS[name](image[None]) for image in images]), together)
    assert torch.equal(METHODS[name](images.flip(0)), together.flip(0))


@each_method
def test_no_images_give_no_images(method):
    images = torch.zeros(0, 3, 12, 10)
    assert method(images).shape == images.shape


@each_method
def test_wrong_images_are_refused(method):
    for images, message in (
        (255 * faces(2), r"images must lie in \[0, 1\]"),
        (faces(2)[0], r"images must have shape \(B, C, H, W\)"),
        (faces(2).numpy(), "images must be a torch tensor"),
    ):
        with pytest.raises(InputError, match=message):
            method(images)


WRONG_NUMBERS = [
    *[(pixelation, "blocks", value) for value in (0, -1, 2.0, "9", None, True)],
    *[(gaussian_blur, "sigma", value) for value in (0, -1.0, np.nan, np.inf, "1", None)],
    *[(k_same, "k", value) for value in (0, -1, 2.0, None)],
]


@pytest.mark.parametrize(("method", "name", "value"), WRONG_NUMBERS)
def test_wrong_numbers_are_refused(method, name, value):
    with pytest.raises(InputError, match=f"^{name} must be "):
        method(faces(2), **{name: value})


def test_more_blocks_than_pixels_are_refused():
    with pytest.raises(InputError, match=r"^blocks must be at most .* 52, not 53"):
        pixelation(faces(1), blocks=53)

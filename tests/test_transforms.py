"""Transforms of published images against the libraries themselves, other libraries, and closed forms."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, median_filter

from pfgvm.evaluation.transforms import POST_PROCESSING, PURIFIERS, TRANSFORMS

RANDOM = np.random.default_rng(0)
SIZES = [(32, 32), (33, 47), (109, 89), (218, 178)]


def noise(size: tuple[int, int] = (109, 89)) -> np.ndarray:
    return RANDOM.integers(0, 256, (3, *size), np.uint8)


def smooth(size: tuple[int, int] = (109, 89)) -> np.ndarray:
    """A smooth image of few pixels."""
    rows, columns = np.mgrid[: size[0], : size[1]] / 12
    waves = [np.sin(rows), np.cos(columns), np.sin(rows + columns)]
    return np.rint(127.5 + 100 * np.stack(waves)).astype(np.uint8)


def flat(level: int, size: tuple[int, int] = (33, 47)) -> np.ndarray:
    return np.full((3, *size), level, np.uint8)


def through_pillow(image: np.ndarray, **options) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, **options)
    return np.asarray(Image.open(file).convert("RGB")).transpose(2, 0, 1)


def mean_difference(image: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(image.astype(float) - other).mean())


def test_the_names_are_those_of_the_tables():
    assert POST_PROCESSING == (
        "PNG", "JPEG 95", "JPEG 85", "JPEG 75", "JPEG 50", "WebP 80", "half size", "blur 1 px", "crop 2 %", "5 bits",
    )  # fmt: skip
    assert PURIFIERS == ("median 3x3", "JPEG 50")
    assert set(TRANSFORMS) == {*POST_PROCESSING, *PURIFIERS}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_an_image_becomes_a_new_one_of_its_size(name, size):
    image = noise(size)
    copied = image.copy()
    made = TRANSFORMS[name](image)
    assert (made.shape, made.dtype) == (image.shape, np.uint8)
    assert np.array_equal(image, copied) and not np.shares_memory(made, image)
    assert made.flags.writeable and made.flags.c_contiguous
    assert np.array_equal(TRANSFORMS[name](image), made)
    assert np.array_equal(made, image) == (name == "PNG")


@pytest.mark.parametrize("name", TRANSFORMS)
def test_neither_rows_and_columns_nor_channels_are_confused(name):
    image = smooth()
    assert mean_difference(TRANSFORMS[name](image), image) < 6
    for confused in (image[::-1], image[:, ::-1], image[:, :, ::-1]):
        assert mean_difference(TRANSFORMS[name](image), confused) > 20


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name != "5 bits"])
@pytest.mark.parametrize("level", [0, 100, 255])
def test_a_flat_image_stays_as_it_is(name, level):
    assert np.array_equal(TRANSFORMS[name](flat(level)), flat(level))


@pytest.mark.parametrize("quality", [95, 85, 75, 50])
def test_jpeg_is_pillows_with_half_the_chroma(quality):
    image = noise()
    made = TRANSFORMS[f"JPEG {quality}"](image)
    assert np.array_equal(made, through_pillow(image, format="JPEG", quality=quality, subsampling="4:2:0"))


def test_webp_is_pillows():
    image = noise()
    assert np.array_equal(
        TRANSFORMS["WebP 80"](image), through_pillow(image, format="WebP", quality=80, lossless=False)
    )


def test_half_size_keeps_what_two_pixels_show_and_no_more():
    board = 255 * (np.indices((40, 60)).sum(axis=0) % 2).astype(np.uint8)
    halved = TRANSFORMS["half size"](np.stack([board] * 3))
    # Away from the edge, where the filter covers as much white as black.
    assert np.abs(halved[:, 8:-8, 8:-8] - 127.5).max() <= 1.5
    assert np.abs(TRANSFORMS["half size"](smooth()).astype(int) - smooth())[:, 4:-4, 4:-4].max() <= 2
    # A quarter of a cycle per pixel is the highest frequency at half the size.
    for frequency, copied in ((0.2, (0.6, 1)), (0.32, (0, 0.25))):
        wave = 100 * np.cos(2 * np.pi * frequency * np.arange(200))
        made = TRANSFORMS["half size"](np.rint(127.5 + np.tile(wave, (3, 32, 1))).astype(np.uint8))
        before, after = (np.abs(np.fft.rfft(values)[round(200 * frequency)]) for values in (wave, made[0, 16]))
        assert copied[0] < after / before < copied[1]


def test_the_blur_is_a_gaussian_of_one_pixel():
    point = flat(0)
    point[1, 16, 20] = 255
    square = np.arange(-3, 4) ** 2
    kernel = np.exp(-square / 2) / np.exp(-square / 2).sum()
    blurred = TRANSFORMS["blur 1 px"](point)
    assert np.abs(blurred[1, 13:20, 17:24] - 255 * np.outer(kernel, kernel)).max() <= 1
    assert not blurred[[0, 2]].any()
    image = noise()
    expected = [gaussian_filter(channel.astype(float), 1, mode="nearest") for channel in image]
    assert np.abs(TRANSFORMS["blur 1 px"](image) - np.stack(expected)).max() <= 0.5


def test_the_crop_takes_2_per_cent_of_each_side():
    framed = flat(100, (100, 150))
    for edge in (np.s_[:, :2], np.s_[:, -2:], np.s_[:, :, :3], np.s_[:, :, -3:]):
        framed[edge] = 255
    assert np.array_equal(TRANSFORMS["crop 2 %"](framed), flat(100, (100, 150)))
    framed[:, 2, 75] = framed[:, 50, 3] = framed[:, -3, 75] = framed[:, 50, -4] = 255
    cropped = TRANSFORMS["crop 2 %"](framed)
    assert all((edge > 100).any() for edge in (cropped[:, 0], cropped[:, -1], cropped[:, :, 0], cropped[:, :, -1]))


def test_the_crop_enlarges_about_the_middle():
    rows, columns = np.mgrid[:100, :150]
    blob = np.exp(-((rows - 49.5) ** 2 + (columns - 74.5) ** 2) / (2 * 10**2))
    cropped = TRANSFORMS["crop 2 %"](np.stack([np.rint(250 * blob).astype(np.uint8)] * 3))[0].astype(float)
    for axis, growth in ((0, 100 / 96), (1, 150 / 144)):
        profile = cropped.sum(axis=1 - axis)
        place = np.arange(len(profile))
        middle = np.average(place, weights=profile)
        assert middle == pytest.approx((len(profile) - 1) / 2, abs=0.01)
        assert np.average((place - middle) ** 2, weights=profile) ** 0.5 == pytest.approx(10 * growth, rel=0.01)


def test_five_bits_are_the_nearest_of_32_levels():
    ramp = np.tile(np.arange(256, dtype=np.uint8), (3, 32, 1))
    made = TRANSFORMS["5 bits"](ramp)
    levels = [round(255 * level / 31) for level in range(32)]
    assert sorted(set(made.ravel().tolist())) == levels and levels[:3] == [0, 8, 16]
    nearest = [min(range(32), key=lambda level: abs(level / 31 - value / 255)) for value in range(256)]
    assert made[2, 31].tolist() == [levels[level] for level in nearest]
    assert np.abs(made.astype(int) - ramp).max() <= 4
    assert np.array_equal(TRANSFORMS["5 bits"](made), made)


def test_the_median_is_that_of_nine_pixels():
    image = noise()
    expected = [median_filter(channel, 3, mode="nearest") for channel in image]
    assert np.array_equal(TRANSFORMS["median 3x3"](image), np.stack(expected))

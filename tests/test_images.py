"""From a picture's bytes to numbers: every kind of picture a camera or a tool may leave, and what is none."""

import io
import warnings

import numpy as np
import pytest
from faces_on_disk import encoded, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from pfgvm.errors import InputError
from pfgvm.faces.images import decode, to_8bit, to_size

NOISE = np.asarray(Image.open(io.BytesIO(picture("noise"))))


def pixels(content: bytes) -> np.ndarray:
    """The decoded picture, (H, W, 3)."""
    decoded = decode(content, "face.png")
    assert decoded.mode == "RGB"
    return np.asarray(decoded)


def assert_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^10/face\.jpg: .*replace or remove it$"):
        decode(content, "10/face.jpg")


def test_rgb_comes_back_as_it_is():
    assert np.array_equal(pixels(encoded(Image.fromarray(NOISE))), NOISE)


def test_grey_gives_three_equal_channels():
    grey = NOISE[..., 0]
    assert np.array_equal(pixels(encoded(Image.fromarray(grey))), np.stack([grey] * 3, axis=-1))


def test_grey_of_16_bits_keeps_its_brightness():
    grey = np.array([[0, 128 * 257, 65535]], dtype=np.uint16)
    assert np.abs(pixels(encoded(Image.fromarray(grey)))[0, :, 0].astype(int) - [0, 128, 255]).max() <= 1


def test_a_palette_gives_its_colours():
    palette = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 10, 20, 30])
    assert pixels(encoded(palette)).tolist() == [[[255, 0, 0], [0, 255, 0], [10, 20, 30]]]


def test_cmyk_gives_its_colours():
    inks = np.zeros((8, 8, 4), dtype=np.uint8)
    inks[..., 0] = 255  # cyan ink alone
    red, green, blue = pixels(encoded(Image.fromarray(inks, "CMYK"), "JPEG")).reshape(-1, 3).mean(axis=0)
    assert red < 10 and green > 245 and blue > 245


def test_transparency_is_laid_on_white():
    layer = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 51]]], dtype=np.uint8)
    assert pixels(encoded(Image.fromarray(layer, "RGBA"))).tolist() == [[[10, 20, 30], [255] * 3, [204] * 3]]


def test_a_transparent_palette_colour_is_laid_on_white():
    palette = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 0, 255])
    assert pixels(encoded(palette, transparency=1)).tolist() == [[[255, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (8, 1), (3, 2), (6, 3)])
def test_a_turned_picture_stands_upright(orientation: int, turns: int):
    exif = Image.Exif()
    exif[0x0112] = orientation  # as stored, the picture wants `turns` quarter turns to the left
    assert np.array_equal(pixels(encoded(Image.fromarray(NOISE), exif=exif)), np.rot90(NOISE, turns))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_truncated_picture_is_refused(kind: str):
    content = picture("whole", size=(64, 64), kind=kind)
    decode(content, "whole")
    for kept in (len(content) // 2, len(content) - 40, 20):
        assert_refused(content[:kept])


@pytest.mark.parametrize(
    "content", [b"", b"not a picture", b"<html>quota exceeded</html>", b"\xff\xd8\xff", b"\0" * 99]
)
def test_what_is_no_picture_is_refused(content: bytes):
    assert_refused(content)


@given(st.data())
@settings(deadline=None)
def test_a_damaged_picture_decodes_or_is_refused(data: st.DataObject):
    exif = Image.Exif()
    exif[0x0112] = 6
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP"]))
    content = bytearray(encoded(Image.fromarray(NOISE), kind, exif=exif))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata; it is still a picture
        try:
            assert decode(bytes(content), "face").mode == "RGB"
        except InputError as refused:
            assert str(refused).startswith("face: ")


def test_a_picture_of_the_right_size_passes_untouched():
    assert np.array_equal(to_size(Image.fromarray(NOISE), (10, 8)), NOISE.transpose(2, 0, 1))


def test_the_result_is_bytes_of_its_own():
    result = to_size(Image.fromarray(NOISE), (10, 8))
    assert result.dtype == np.uint8 and result.flags.c_contiguous and result.flags.writeable


@pytest.mark.parametrize("wide", [True, False])
def test_an_odd_size_is_cropped_about_the_centre(wide: bool):
    stripes = np.zeros((30, 90, 3), dtype=np.uint8)
    stripes[:, :30, 0] = stripes[:, 60:, 2] = 255
    stripes[:, 30:60, 1] = 255  # the middle third, and it alone, is green
    odd = Image.fromarray(stripes if wide else stripes.transpose(1, 0, 2).copy())
    square = to_size(odd, (30, 30))
    assert square.shape == (3, 30, 30)
    assert (square[1] == 255).all() and not square[[0, 2]].any()


@pytest.mark.parametrize("size", [(178, 218), (51, 400), (7, 9), (1, 1)])
def test_every_size_comes_to_the_one_asked_for(size: tuple[int, int]):
    even = Image.new("RGB", size, (40, 80, 120))
    result = to_size(even, (109, 89))
    assert result.shape == (3, 109, 89)
    assert (result == np.array([40, 80, 120])[:, None, None]).all()


def test_height_comes_before_width():
    top_dark = np.full((218, 178, 3), 255, dtype=np.uint8)
    top_dark[:109] = 0
    small = to_size(Image.fromarray(top_dark), (109, 89))
    assert small[:, :50].max() < 10 and small[:, -50:].min() > 245


def test_eight_bits_come_back_exactly():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_8bit(levels.astype(np.float32) / np.float32(255)), levels)


def test_eight_bits_are_rounded_and_clipped():
    values = np.array([-0.5, 0.4 / 255, 0.6 / 255, 99.4 / 255, 99.6 / 255, 254.6 / 255, 1.5], dtype=np.float32)
    assert to_8bit(values).tolist() == [0, 0, 1, 99, 100, 255, 255]


@given(arrays(np.float32, (3, 4, 5), elements=st.floats(0, 1, width=32)))
@settings(deadline=None)
def test_rounding_moves_no_pixel_by_more_than_half_a_level(values: np.ndarray):
    rounded = to_8bit(values)
    assert rounded.dtype == np.uint8 and rounded.shape == values.shape
    assert np.abs(rounded / 255 - values).max() <= 0.5 / 255 + 1e-7

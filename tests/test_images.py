"""Decoding of images: every kind of file that a camera or tool may write, and invalid files."""

import io
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from faces_on_disk import encoded, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import ExifTags, Image

from pfgvm.errors import InputError
from pfgvm.faces.images import decode, image_suffixes, to_8bit, to_size

ROOT = Path(__file__).parent.parent
NOISE = np.asarray(Image.open(io.BytesIO(picture("noise"))))


def pixels(content: bytes) -> np.ndarray:
    """The decoded image, (H, W, 3)."""
    decoded = decode(content, "face.png")
    assert decoded.mode == "RGB"
    return np.asarray(decoded)


def assert_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^10/face\.jpg: not a complete image"):
        decode(content, "10/face.jpg")


def test_transparency_is_composited_on_white():
    layer = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 51]]], dtype=np.uint8)
    assert pixels(encoded(Image.fromarray(layer, "RGBA"))).tolist() == [[[10, 20, 30], [255] * 3, [204] * 3]]


def test_a_transparent_palette_colour_is_composited_on_white():
    palette = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 0, 255])
    assert pixels(encoded(palette, transparency=1)).tolist() == [[[255, 0, 0], [255, 255, 255]]]


# The transform of each orientation of EXIF 2.32 (tag 0x0112), on (H, W, ...).
UPRIGHT = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored),
}


def exif_of(orientation: int, **tags: object) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif.update({ExifTags.Base[name]: value for name, value in tags.items()})
    return exif.tobytes()


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("PNG", "I;16")])
def test_an_image_of_every_orientation_comes_upright(kind: str, mode: str, orientation: int):
    stored = Image.fromarray(NOISE[..., 0]).convert(mode)
    turned = pixels(encoded(stored, kind, exif=exif_of(orientation)))
    assert np.array_equal(turned, UPRIGHT[orientation](pixels(encoded(stored, kind))))


def test_an_image_comes_upright_where_pillow_cannot_rewrite_its_exif():
    # A signed XResolution of -1/0, as a phone wrote it.
    exif = exif_of(6, XResolution=72.0)
    for valid, invalid in {(">HH", 0x011A, 5): (">HH", 0x011A, 10), (">II", 72, 1): (">ii", -1, 0)}.items():
        assert struct.pack(*valid) in exif
        exif = exif.replace(struct.pack(*valid), struct.pack(*invalid))
    assert np.array_equal(pixels(encoded(Image.fromarray(NOISE), exif=exif)), UPRIGHT[6](NOISE))


@pytest.mark.parametrize(
    "exif",
    [b"", b"Exif\0\0", b"Exif\0\0neither order", exif_of(0), exif_of(9), exif_of(6)[:20]],
    ids=["empty", "headless", "foreign", "zero", "nine", "truncated"],
)
def test_without_a_valid_orientation_an_image_stays_as_stored(exif: bytes):
    assert np.array_equal(pixels(encoded(Image.fromarray(NOISE), exif=exif)), NOISE)


@given(st.data())
@settings(deadline=None)
def test_an_image_of_damaged_exif_is_read(data: st.DataObject):
    exif = bytearray(exif_of(6, Make="camera", XResolution=72.0, ResolutionUnit=2))
    for _ in range(data.draw(st.integers(1, 4))):
        exif[data.draw(st.integers(0, len(exif) - 1))] = data.draw(st.integers(0, 255))
    read = pixels(encoded(Image.fromarray(NOISE), exif=bytes(exif)))
    assert any(np.array_equal(read, upright(NOISE)) for upright in UPRIGHT.values())


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"])
@pytest.mark.parametrize("level", [0, 255], ids=["black", "white"])
def test_black_and_white_of_every_mode_are_kept(mode: str, level: int):
    even = Image.new("RGB", (4, 4), (level,) * 3)
    stored = even.convert("RGBA").convert(mode) if mode == "PA" else even.convert(mode)
    assert (pixels(encoded(stored, "TIFF")) == level).all()


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "I;16"), ("TIFF", "I;16"), ("TIFF", "I;16B"), ("TIFF", "I;16L")])
def test_grey_of_16_bits_keeps_its_brightness(kind: str, mode: str):
    levels = np.array([[0, 128 * 257, 65535]], dtype=">u2" if mode == "I;16B" else "<u2")
    stored = Image.frombytes(mode, (3, 1), levels.tobytes())
    assert pixels(encoded(stored, kind))[0, :, 0].tolist() == [0, 128, 255]


SHORT, LONG = 3, 4  # TIFF's types


def tiff_of_grey(bits: int, white_is_zero: bool, data: bytes, width: int) -> bytes:
    """A TIFF of one row of `width` grey pixels, `data`, which Pillow cannot write."""
    width_height = [(0x0100, LONG, 1, width), (0x0101, LONG, 1, 1)]
    kind = [(0x0102, SHORT, 1, bits), (0x0103, SHORT, 1, 1), (0x0106, SHORT, 1, 0 if white_is_zero else 1)]
    place = [(0x0111, LONG, 1, 8), (0x0116, LONG, 1, 1), (0x0117, LONG, 1, len(data))]
    rows = b"".join(struct.pack("<HHII", *row) for row in width_height + kind + place)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", 8) + rows + bytes(4)


def test_grey_of_12_bits_keeps_its_brightness():
    content = tiff_of_grey(12, False, bytes([0x00, 0x08, 0x00, 0xFF, 0xF0, 0x00]), width=4)  # 0x000 0x800 0xFFF 0x000
    assert pixels(content)[0, :, 0].tolist() == [0, 128, 255, 0]


def test_grey_of_16_bits_whose_zero_is_white_is_no_negative():
    content = tiff_of_grey(16, True, np.array([0, 128 * 257, 65535], dtype="<u2").tobytes(), width=3)
    assert pixels(content)[0, :, 0].tolist() == [255, 127, 0]


def test_a_transparent_level_of_16_bits_is_white():
    grey = Image.fromarray(np.array([[100 * 257, 7]], dtype=np.uint16))
    assert pixels(encoded(grey, transparency=7))[0, :, 0].tolist() == [100, 255]


@pytest.mark.parametrize("white", [4095, 65535])
def test_a_pgm_of_more_than_8_bits_keeps_its_brightness(white: int):
    levels = np.array([0, white // 2, white], dtype=">u2").tobytes()
    assert pixels(b"P5 3 1 %d\n" % white + levels)[0, :, 0].tolist() == [0, 127, 255]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("white", [1, 255, 65535])
def test_grey_of_32_bits_is_refused(dtype: type, white: int):
    grey = Image.fromarray((np.array([[0, 1]]) * white).astype(dtype))
    with pytest.raises(InputError, match=r"^ann/1\.tif: .*32-bit grey"):
        decode(encoded(grey, "TIFF"), "ann/1.tif")


@pytest.mark.parametrize("kind", ["GIF", "TIFF"])
def test_of_several_frames_the_first_is_taken(kind: str):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ["white", "black", "red"]]
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert Image.open(io.BytesIO(content)).n_frames == 3
    assert (pixels(content) == 255).all()


def test_too_large_an_image_is_refused_with_the_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 39)  # of 80
    with pytest.raises(InputError, match=r"^ann/1\.jpg: exceeds the limit of 78 pixels"):
        decode(picture("large", kind="JPEG"), "ann/1.jpg")


def test_a_large_image_is_read_without_a_warning(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    with warnings.catch_warnings(action="error"):
        assert np.array_equal(pixels(picture("noise")), NOISE)


def test_the_data_readme_names_the_limit():
    assert f"{2 * Image.MAX_IMAGE_PIXELS:,} pixels" in (ROOT / "data" / "README.md").read_text(encoding="utf-8")


def test_suffixes_are_those_of_images_that_can_be_read():
    # Besides these, whatever the installed Pillow opens.
    assert {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".mpo"} <= (
        image_suffixes()
    )
    # Video, pages, vector graphics, formats that Pillow only identifies, and those that it only writes.
    assert not {".mpg", ".pdf", ".eps", ".wmf", ".h5", ".palm", ".heic", ".txt"} & image_suffixes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_a_truncated_image_is_refused(kind: str):
    content = picture("whole", size=(64, 64), kind=kind)
    decode(content, "whole")
    for size in (len(content) // 2, len(content) - 40, 20):
        assert_refused(content[:size])


@pytest.mark.parametrize("content", [b"", b"not an image", b"<html>quota exceeded</html>", b"\xff\xd8\xff", b"\0" * 99])
def test_what_is_no_image_is_refused(content: bytes):
    assert_refused(content)


@given(st.data())
@settings(deadline=None)
def test_a_damaged_image_decodes_or_is_refused(data: st.DataObject):
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP"]))
    content = bytearray(encoded(Image.fromarray(NOISE), kind, exif=exif_of(6)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert decode(bytes(content), "face").mode == "RGB"
    except InputError as refused:
        assert str(refused).startswith("face: ")


def test_an_image_of_the_right_size_is_copied():
    result = to_size(Image.fromarray(NOISE), (10, 8))
    assert np.array_equal(result, NOISE.transpose(2, 0, 1))
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

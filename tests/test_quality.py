"""Metrics of image quality against their packages on files and other libraries, and their table counted by hand."""

import math
import subprocess
import sys

import flip_evaluator
import numpy as np
import pytest
import ssimulacra2 as ssimulacra2_package
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.recfunctions import append_fields
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pfgvm.attacks.common.smooth_fields import displaced
from pfgvm.errors import InputError
from pfgvm.evaluation.findings.mean_quality import QUALITY_COLUMNS, quality
from pfgvm.evaluation.quality.quality_metrics import (
    QUALITY,
    VISIBILITY,
    ImagePair,
    flip,
    flip_close,
    on_face,
    psnr,
    ssimulacra2,
)
from pfgvm.faces.geometry import face_region
from pfgvm.faces.images import to_8bit
from tests.hand_made_sets import ATTACKED, Persons, evaluated, rows

# All metrics but the lengths of the displacement.
OF_PIXELS = (*QUALITY, *(metric for metric in VISIBILITY if not metric.name.startswith("displacement")))
BY_NAME = {metric.name: metric.function for metric in (*QUALITY, *VISIBILITY)}


def structured_image(size: tuple[int, int] = (109, 89)) -> np.ndarray:
    """Structure of all scales, the same statistics everywhere."""
    random = np.random.default_rng(0)
    layers = [gaussian_filter(random.normal(size=(3, *size)), (0, σ, σ)) * σ for σ in (0.5, 2, 6)]
    return np.clip(128 + 40 * sum(layers), 0, 255).astype(np.uint8)


def noisy(original: np.ndarray, scale: float) -> np.ndarray:
    moved = original + scale * np.random.default_rng(1).normal(size=original.shape)
    return np.rint(moved.clip(0, 255)).astype(np.uint8)


def saved(path, values: np.ndarray) -> str:
    Image.fromarray(values.transpose(1, 2, 0)).save(path)
    return str(path)


@pytest.mark.parametrize("metric", OF_PIXELS, ids=lambda metric: metric.name)
def test_more_noise_is_worse(metric):
    pairs = [ImagePair(noisy(structured_image(), scale), structured_image()) for scale in (0, 1, 3, 9, 27)]
    values = [metric.function(pair) for pair in pairs]
    assert all(type(value) is float for value in values)
    assert values == sorted(values, reverse=not metric.smaller_is_better) and len(set(values)) == len(values)


def test_equal_images_have_the_best_values():
    best = {"psnr": math.inf, "flip": 0, "ssimulacra2": 100, "flip_face": 0, "mssim_face": 1}
    best |= dict.fromkeys((metric.name for metric in VISIBILITY), 0)
    pair = ImagePair(structured_image(), structured_image())
    assert {name: function(pair) for name, function in BY_NAME.items()} == best


@pytest.mark.parametrize("metric", OF_PIXELS, ids=lambda metric: metric.name)
@pytest.mark.parametrize("size", [(32, 32), (33, 47), (218, 178)], ids=str)
def test_images_of_any_size_are_supported(metric, size):
    original = structured_image(size)
    assert math.isfinite(metric.function(ImagePair(noisy(original, 4), original)))


def test_psnr_is_that_of_scikit_image():
    pair = noisy(structured_image(), 5), structured_image()
    assert psnr(ImagePair(*pair)) == pytest.approx(peak_signal_noise_ratio(*pair, data_range=255), abs=1e-9)
    black = np.zeros((3, 8, 8), np.uint8)
    assert (psnr(ImagePair(black + 255, black)), psnr(ImagePair(black + 1, black))) == pytest.approx(
        (0, 48.1308), abs=1e-4
    )


def test_flip_is_that_of_two_files(tmp_path):
    image, original = noisy(structured_image(), 5), structured_image()
    files = saved(tmp_path / "original.png", original), saved(tmp_path / "image.png", image)
    assert flip(ImagePair(image, original)) == pytest.approx(flip_evaluator.evaluate(*files, "LDR")[1], abs=1e-6)
    # FLIP's scale ends at green against blue (Andersson et al., section 4.1).
    green, blue = (np.zeros((3, 64, 64), np.uint8) for _ in range(2))
    green[1] = blue[2] = 255
    assert flip(ImagePair(green, blue)) == pytest.approx(1, abs=0.01)


def test_ssimulacra2_of_a_large_image_is_that_of_two_files(tmp_path):
    original = structured_image((225, 240))
    # A blur, since the metric distinguishes lost from added detail.
    image = np.rint(gaussian_filter(original.astype(float), (0, 1, 1))).astype(np.uint8)
    files = saved(tmp_path / "original.png", original), saved(tmp_path / "image.png", image)
    assert ssimulacra2(ImagePair(image, original)) == ssimulacra2_package.compute_ssimulacra2(*files)
    assert ssimulacra2(ImagePair(original, image)) != pytest.approx(ssimulacra2(ImagePair(image, original)), abs=0.1)


def test_ssimulacra2_of_a_small_image_is_that_of_its_reflections(tmp_path):
    image, original = noisy(structured_image((109, 120)), 5), structured_image((109, 120))
    files = []
    for name, small in (("original", original), ("image", image)):
        wide = np.concatenate([small, small[:, :, ::-1]], axis=2)
        files.append(saved(tmp_path / f"{name}.png", np.concatenate([wide, wide[:, ::-1], wide], axis=1)))
    assert ssimulacra2(ImagePair(image, original)) == ssimulacra2_package.compute_ssimulacra2(*files)


def test_ssimulacra2_of_a_part_is_like_that_of_the_whole(tmp_path):
    whole = noisy(structured_image((436, 356)), 5), structured_image((436, 356))
    # Half and a quarter of each side, away from the image's edge.
    half, quarter = ([values[:, 100 : 100 + h, 100 : 100 + w] for values in whole] for h, w in ((218, 178), (109, 89)))
    expected = ssimulacra2(ImagePair(*whole))
    assert ssimulacra2(ImagePair(*half)) == pytest.approx(expected, abs=3)
    assert ssimulacra2(ImagePair(*quarter)) == pytest.approx(expected, abs=3)
    # The package's own value shows why small images are extended.
    image, original = quarter
    files = saved(tmp_path / "original.png", original), saved(tmp_path / "image.png", image)
    assert ssimulacra2_package.compute_ssimulacra2(*files) < expected - 20


def test_the_face_is_where_celeba_has_it():
    assert face_region((218, 178)) == (slice(60, 180), slice(35, 143))
    assert face_region((109, 89)) == (slice(30, 90), slice(18, 72))


@pytest.mark.parametrize("name", ["flip_face", "mssim_face"])
def test_metrics_of_the_face_depend_on_the_face_alone(name):
    original = structured_image()
    rows, columns = slice(30, 90), slice(18, 72)
    changed = np.zeros_like(original)
    changed[:, rows, columns] = original[:, rows, columns]
    assert BY_NAME[name](ImagePair(changed, original)) == BY_NAME[name](ImagePair(original, original))
    for row, column in ((30, 40), (89, 40), (50, 18), (50, 71)):
        changed = original.copy()
        changed[:, row, column] += 128
        assert BY_NAME[name](ImagePair(changed, original)) != BY_NAME[name](ImagePair(original, original))


def test_metrics_of_the_face_are_those_of_the_cut():
    image, original = noisy(structured_image(), 5), structured_image()
    cut = [values[:, 30:90, 18:72] for values in (image, original)]
    assert BY_NAME["flip_face"](ImagePair(image, original)) == flip(ImagePair(*cut))
    assert on_face(psnr)(ImagePair(image, original)) == psnr(ImagePair(*cut))
    expected = structural_similarity(
        *(values / 255 for values in cut),
        channel_axis=0,
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert BY_NAME["mssim_face"](ImagePair(image, original)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("image", "original", "message"),
    [
        (structured_image() / 255, structured_image(), "image: float64 of shape"),
        (structured_image(), structured_image().transpose(1, 2, 0), r"original: uint8 of shape \(109, 89, 3\)"),
        (structured_image()[:, 1:], structured_image(), r"shapes differ \(\(3, 108, 89\) and \(3, 109, 89\)\)"),
    ],
    ids=["floats", "channels last", "shapes"],
)
def test_what_is_no_pair_of_images_is_refused(image, original, message):
    with pytest.raises(InputError, match=message):
        ImagePair(image, original)


def test_flip_close_is_that_of_a_face_of_10_degrees():
    pair = ImagePair(noisy(structured_image(), 5), structured_image())
    # At 109 x 89 the face has 54 columns.
    reference, test = (
        np.float32(values[:, 30:90, 18:72].transpose(1, 2, 0)) / 255 for values in (pair.original, pair.image)
    )
    of_pixels, mean, _ = flip_evaluator.evaluate(reference, test, "LDR", applyMagma=False, parameters={"ppd": 5.4})
    assert BY_NAME["flip_close"](pair) == pytest.approx(mean, abs=1e-6)
    assert BY_NAME["flip_close_p95"](pair) == pytest.approx(np.percentile(of_pixels, 95), abs=1e-6)
    # Half the size on the screen at half the distance.
    pair = ImagePair(noisy(structured_image((218, 178)), 5), structured_image((218, 178)))
    assert flip_close(pair.face) == pair.face.flip_map(10.8)[1]


@given(width=st.integers(1, 3), contrast=st.integers(2, 60))
@settings(max_examples=20, deadline=None)
def test_a_fine_grid_is_more_visible_from_close(width, contrast):
    # Lines above and below the grey of the original, which merge into it from afar.
    original = np.full((3, 109, 89), 128, np.uint8)
    above = np.arange(89) // width % 2 == 0
    image = np.where(above, original + np.uint8(contrast), original - np.uint8(contrast))
    pair = ImagePair(image, original)
    assert BY_NAME["flip_close"](pair) > BY_NAME["flip_face"](pair) > 0
    assert BY_NAME["flip_close_p95"](pair) > BY_NAME["flip_face_p95"](pair)


def moved(original: np.ndarray, length: float) -> ImagePair:
    """The original, displaced alone: by up to `length` pixels, smoothly, and by none at the border."""
    height, width = original.shape[1:]
    x, y = (np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2 for size in (width, height))
    displacement = np.stack([length * np.outer(y, x), np.zeros((height, width))]).astype(np.float32)
    images = displaced(torch.from_numpy(original[None] / np.float32(255)), torch.from_numpy(displacement[None]))
    return ImagePair(to_8bit(images.numpy())[0], original, displacement)


@given(length=st.floats(0.5, 4))
@settings(max_examples=20, deadline=None)
def test_a_displacement_alone_is_invisible_against_the_displaced_original(length):
    pair = moved(structured_image(), length)
    for name in ("flip_displaced", "flip_displaced_p95", "flip_close_displaced"):
        assert BY_NAME[name](pair) == 0
    assert BY_NAME["flip_face"](pair) > 0.05 and BY_NAME["flip_close_p95"](pair) > 0.05


def test_the_rest_of_a_perturbation_is_visible_against_the_displaced_original():
    pair = moved(structured_image(), 2)
    shaded = ImagePair(noisy(pair.image, 3), pair.original, pair.displacement)
    alone = ImagePair(shaded.image, pair.image)
    assert BY_NAME["flip_displaced"](shaded) == BY_NAME["flip_face"](alone)
    assert BY_NAME["flip_displaced_p95"](shaded) == BY_NAME["flip_face_p95"](alone)
    assert BY_NAME["flip_close_displaced"](shaded) == BY_NAME["flip_close"](alone)
    # The other metrics compare with the original where it was.
    without = ImagePair(shaded.image, shaded.original)
    for metric in OF_PIXELS:
        if "displaced" not in metric.name:
            assert metric.function(shaded) == metric.function(without)


def test_without_displacement_each_map_of_flip_is_computed_once(monkeypatch):
    calls, evaluate = [], flip_evaluator.evaluate
    monkeypatch.setattr(flip_evaluator, "evaluate", lambda *given, **more: calls.append(1) or evaluate(*given, **more))
    pair = ImagePair(noisy(structured_image(), 5), structured_image())
    values = {name: function(pair) for name, function in BY_NAME.items()}
    # The whole image, the face from afar, and close.
    assert len(calls) == 3
    assert values["flip_displaced"] == values["flip_face"] != values["flip_close"] == values["flip_close_displaced"]
    assert values["displacement"] == values["displacement_max"] == 0


@given(scale=st.integers(1, 3), x=st.floats(-3, 3), y=st.floats(-3, 3))
def test_displacements_are_in_pixels_of_celebas_images(scale, x, y):
    # A part of the face, and more outside it.
    displacement = np.zeros((2, 218 * scale, 178 * scale), np.float32)
    displacement[:, : 60 * scale] = 100
    displacement[0, 60 * scale : 120 * scale], displacement[1, 60 * scale : 120 * scale] = x * scale, y * scale
    blank = np.zeros((3, 218 * scale, 178 * scale), np.uint8)
    pair = ImagePair(blank, blank, displacement)
    assert BY_NAME["displacement_max"](pair) == pytest.approx(math.hypot(x, y), rel=1e-5, abs=1e-9)
    assert BY_NAME["displacement"](pair) == pytest.approx(math.hypot(x, y) / 2, rel=1e-5, abs=1e-9)


def test_displacements_along_width_and_height_have_their_own_scale():
    blank, displacement = np.zeros((3, 109, 178), np.uint8), np.zeros((2, 109, 178), np.float32)
    displacement[0], displacement[1] = 3, 2
    assert BY_NAME["displacement"](ImagePair(blank, blank, displacement)) == pytest.approx(5)


def test_the_table_of_metrics_is_read_without_pytorch():
    program = (
        "import sys, pfgvm.evaluation.quality.quality_metrics as q; sys.exit('torch' in sys.modules or not q.QUALITY)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_table_of_quality_counted_by_hand():
    values = {
        "mssim": [0.9, 0.7, 1, 1],
        "psnr": [40, math.inf, 30, math.inf],
        "flip": [0, 0.1, 0.2, 0.3],
        "ssimulacra2": [90, 80, 70, -20],
        "flip_face": [0, 0, 0, 0.4],
        "mssim_face": [1, 1, 0, 0],
    }
    unchanged = rows("as is", ATTACKED, mssim=[1] * 4, psnr=[math.inf] * 4)
    sets = [
        evaluated("P-FGVM", rows("as is", ATTACKED, **values), rows("JPEG", ATTACKED)),
        evaluated("Clean", unchanged),
        evaluated("With LPIPS", append_fields(unchanged, "lpips", [0.1, 0.3, 0.0, 0.0], usemask=False)),
    ]
    table = quality(sets, Persons(), published="as is")
    assert list(table) == QUALITY_COLUMNS
    assert QUALITY_COLUMNS[:6] == ["model", "method", "images", "mssim", "mssim_low", "mssim_high"]
    first, clean, with_lpips = table.to_dict("records")
    assert (first["model"], first["method"], first["images"]) == ("A", "P-FGVM", 4)
    # PSNR counts the images that are changed.
    means = {"mssim": 0.9, "psnr": 35, "flip": 0.15, "ssimulacra2": 55, "flip_face": 0.1, "mssim_face": 0.5}
    assert {name: first[name] for name in means} == pytest.approx(means)
    # By person: a and b have 0.8 and 1, and 40 and 30.
    assert (first["mssim_low"], first["mssim_high"]) == pytest.approx((0.8, 1))
    assert (first["psnr_low"], first["psnr_high"]) == (30, 40)
    assert math.isnan(clean["psnr"]) and clean["mssim"] == clean["mssim_low"] == 1
    assert math.isnan(clean["lpips"])
    assert [with_lpips[name] for name in ("lpips", "lpips_low", "lpips_high")] == pytest.approx([0.1, 0, 0.2])

"""Photos: read, protected and written; pixels outside the faces do not change, and invalid files are refused."""

import io
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin
from ruamel.yaml import YAML
from scipy import ndimage
from torch import nn

from pfgvm.attacks import p_fgvm
from pfgvm.attacks.common.context import Context, ShapeAndLight
from pfgvm.attacks.common.smooth_fields import displaced
from pfgvm.errors import InputError
from pfgvm.evaluation.recognition.alignment import celeba_points, inverse, warped
from pfgvm.evaluation.recognition.detection import Face
from pfgvm.evaluation.recognition.recognisers import Recogniser
from pfgvm.faces.geometry import face_region
from pfgvm.methods import ATTACKS
from pfgvm.photographs import placement
from pfgvm.photographs.photograph import Photograph, png, read_photograph
from pfgvm.photographs.photograph_table import photograph_table
from pfgvm.photographs.placement import framed, shown
from pfgvm.photographs.protection import Classifier, Protector, protect
from pfgvm.photographs.same_person import verdict
from pfgvm.report.run_summary import FACES
from stages.adversarial.descriptor_settings import open_descriptor
from stages.networks.trained_model import TrainedModel
from tests.committed_settings import changed
from tests.faces_on_disk import encoded
from tests.records import training_record
from tests.small import CLASSES, IMAGE_SIZE, small_a
from tests.test_detection import FRONTAL, photograph
from tools.protect import MODES, main, named_in

ROOT = Path(__file__).parents[1]
H, W = IMAGE_SIZE


def smooth(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A photo of soft, unsaturated colours, uint8, (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(80, 176, (6, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)


def face_at(scale: float, degrees: float, middle: tuple[float, float]) -> Face:
    """A face whose frame has `scale` pixels of the photo per pixel and its centre at `middle`, x, y."""
    radians = np.radians(degrees)
    turn = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    points = (celeba_points(IMAGE_SIZE) - [(W - 1) / 2, (H - 1) / 2]) @ (scale * turn).T + middle
    return Face(np.array([*points.min(axis=0), *np.ptp(points, axis=0)]), points, 1.0)


def linear() -> nn.Module:
    """A classifier of five identities, linear in the image."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * H * W, CLASSES)).eval()


def protector(deidentify=None, policy: str = "random") -> Protector:
    def attack(context: Context) -> torch.Tensor:
        return p_fgvm(context.model, context.images, context.targets, step_size=10, iterations=40, penalty=0.005)

    return Protector(IMAGE_SIZE, deidentify or attack, Classifier(linear(), policy, 0))


def adds(change: np.ndarray):
    """A method that adds `change`, (3, H, W), to every image."""
    return lambda context: context.images + torch.from_numpy(change)


# ── From the photo to the frame and back ──────────────────────────────────────────────────────────────────────────


def test_warped_averages_what_falls_on_one_pixel():
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    quarter = np.array([[1 / 4, 0, (1 / 4 - 1) / 2], [0, 1 / 4, (1 / 4 - 1) / 2]])
    means = picture.reshape(10, 4, 15, 4, 3).mean(axis=(1, 3))
    assert np.abs(warped(picture, quarter, (10, 15)) - means).max() < 1e-3


def test_warped_moves_by_whole_pixels_exactly_and_goes_on_outside():
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    moved = warped(picture, np.array([[1, 0, -5.0], [0, 1, 3.0]]), (20, 30))
    assert np.array_equal(moved, np.pad(picture, ((3, 0), (0, 5), (0, 0)), mode="edge")[:20, 5:])
    assert (warped(picture, np.array([[1, 0, 100.0], [0, 1, 0.0]]), (20, 30)) == picture[:, :1]).all()


def test_warped_takes_photographs_wider_than_opencv_does():
    wide = np.zeros((8, 40_000, 3), np.uint8)
    wide[:, 39_000:] = 200
    assert np.unique(warped(wide, np.array([[1, 0, -38_990.0], [0, 1, 0]]), (8, 20))).tolist() == [0, 200]


def test_a_face_framed_at_the_models_size_is_the_photograph_itself():
    pixels = smooth((H, W))
    assert np.array_equal(framed(pixels, face_at(1, 0, ((W - 1) / 2, (H - 1) / 2)), IMAGE_SIZE), as_images(pixels))


def as_images(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32).transpose(2, 0, 1) / np.float32(255)


def test_shown_has_a_margin_and_white_beyond_the_photograph():
    pixels = smooth((H, W))
    [view] = [shown(pixels, face_at(1, 0, ((W - 1) / 2, (H - 1) / 2)), (2 * H, 2 * W), 0.5)]
    assert np.allclose(view[:, H // 2 + 1 : -H // 2 - 1, W // 2 + 1 : -W // 2 - 1], as_images(pixels)[:, 1:-1, 1:-1])
    assert (view[:, : H // 2 - 1] == 1).all() and (view[:, :, -W // 2 + 1 :] == 1).all()


# Pixels of the photo per pixel of the frame, and the rotation of the face.
PLACES = [(0.4, 0), (0.5, 25), (1, 0), (1, -20), (3.3, 0), (3, 40)]


@pytest.mark.parametrize(("scale", "degrees"), PLACES)
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_the_model_classifies_the_face_in_the_photograph_as_the_target(scale: float, degrees: float, grey: bool):
    pixels = smooth((300, 280))
    if grey:
        pixels = np.repeat(pixels[..., :1], 3, axis=-1)
    face = face_at(scale, degrees, (140, 150))
    done, [protected] = protect(Photograph(pixels), [face], "a.jpg", protector())
    assert protected.predictions.predicted == protected.predictions.target != protected.predictions.predicted_clean
    assert np.array_equal(protected.before, framed(pixels, face, IMAGE_SIZE))
    assert np.array_equal(protected.after, framed(done.pixels, face, IMAGE_SIZE))
    assert not grey or all(np.array_equal(done.pixels[..., 0], done.pixels[..., channel]) for channel in (1, 2))
    # Pixels outside the circle through the frame's corners do not change.
    rows, columns = np.indices(pixels.shape[:2])
    beyond = np.hypot(columns - 140, rows - 150) > scale * np.hypot(H, W) / 2 + 2
    assert beyond.any() and np.array_equal(done.pixels[beyond], pixels[beyond])
    assert not np.array_equal(done.pixels, pixels)


def detail(sigma: float) -> np.ndarray:
    """Noise blurred by `sigma` pixels, (3, H, W), and zero where a frame fades out."""
    noise = np.random.default_rng(1).normal(0, 0.1, (H, W, 3)).astype(np.float32)
    noise[:12] = noise[-12:] = noise[:, :12] = noise[:, -12:] = 0
    return cv2.GaussianBlur(noise, (0, 0), sigma).transpose(2, 0, 1)


@pytest.mark.parametrize(("scale", "degrees"), [(1, 0), (1.3, 30), (4, -15)])
def test_the_perturbation_arrives_as_the_method_made_it(scale: float, degrees: float):
    # So fine that bilinear or cubic interpolation in both directions loses a quarter of it or more.
    perturbation = detail(0.7)
    face = face_at(scale, degrees, (180, 190))
    _, [protected] = protect(Photograph(smooth((380, 360))), [face], "a.jpg", protector(adds(perturbation)))
    assert np.linalg.norm(protected.after - protected.before - perturbation) < 0.15 * np.linalg.norm(perturbation)


def bump(rows: float, columns: float, size: tuple[int, int] = IMAGE_SIZE) -> np.ndarray:
    """A smooth field over a frame of any size: at most 1, around a point relative to its size, and 0 at the border."""
    y, x = ((np.arange(side) + 0.5) / side for side in size)
    window = np.outer(*(np.sin(np.pi * np.clip(1.3 * side - 0.15, 0, 1)) ** 2 for side in (y, x)))
    return (window * np.exp(-8 * ((y[:, None] - rows) ** 2 + (x - columns) ** 2))).astype(np.float32)


def fields(size: tuple[int, int] = IMAGE_SIZE) -> tuple[np.ndarray, np.ndarray]:
    """A displacement, (2, H, W), in pixels of a frame of IMAGE_SIZE, and a shading, (1, H, W)."""
    return 2.5 * np.stack([bump(0.5, 0.4, size), -bump(0.6, 0.5, size)]), 0.08 * bump(0.4, 0.6, size)[None]


def displaces(change: np.ndarray, given: list | None = None):
    """A method that displaces and shades by `fields` and adds `change`, (3, H, W).

    given: receives its result and the images of its descriptor.
    """

    def deidentify(context: Context) -> torch.Tensor:
        displacement, shading = (torch.from_numpy(field)[None] for field in fields())
        context.shape_and_light = ShapeAndLight(displacement, shading)
        x_adv = (1 + shading) * displaced(context.images, displacement) + torch.from_numpy(change)
        if given is not None:
            [descriptor] = context.descriptors(["pixels"])
            given.extend([x_adv.numpy()[0], descriptor(x_adv).detach().numpy().reshape(3, H, W)])
        return x_adv

    return deidentify


def textured(size: tuple[int, int], sigma: float) -> np.ndarray:
    """A photo with detail of `sigma` pixels."""
    noise = cv2.GaussianBlur(np.random.default_rng(2).normal(0, 1, (*size, 3)), (0, 0), sigma)
    return np.clip(smooth(size) + 15 * noise / noise.std(), 0, 255).astype(np.uint8)


def relative_error(values: np.ndarray, expected: np.ndarray, before: np.ndarray) -> float:
    return float(np.linalg.norm(values - expected) / np.linalg.norm(expected - before))


@pytest.mark.parametrize(
    ("scale", "degrees", "largest"), [(0.3, 10, 0.15), (0.5, -20, 0.15), (1, 0, 0.05), (1.3, 30, 0.1), (4, -15, 0.1)]
)
def test_the_photo_is_displaced_and_shaded_as_the_descriptor_is_shown(scale: float, degrees: float, largest: float):
    given = []
    # A photo of few pixels loses fine detail of the pixels' part.
    change = detail(1.5) if scale >= 1 else np.zeros((3, H, W), np.float32)
    method = Protector(IMAGE_SIZE, displaces(change, given), descriptors={"pixels": Pixels()})
    photo = Photograph(textured((380, 360), 1.5 * max(1, scale)))
    _, [protected] = protect(photo, [face_at(scale, degrees, (180, 190))], "a.jpg", method)
    for images in given:
        assert relative_error(protected.after, images, protected.before) < largest
    on_face = np.hypot(*fields()[0])[face_region(IMAGE_SIZE)] * scale
    assert protected.displacement == pytest.approx(on_face.mean(), rel=1e-3)
    assert protected.displacement_max == pytest.approx(on_face.max(), rel=1e-3)


@pytest.mark.parametrize("band", [50, 512])
def test_a_photo_finer_than_the_frame_stays_sharp(band: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(placement, "_BAND", band)
    # Detail of a quarter of the frame's pixel, which the frame does not contain.
    scale, size = 4, (4 * H, 4 * W)
    pixels = textured(size, 1.2)
    face = face_at(scale, 0, ((size[1] - 1) / 2, (size[0] - 1) / 2))
    done, _ = protect(Photograph(pixels), [face], "a.jpg", Protector(IMAGE_SIZE, displaces(0 * detail(1))))
    displacement, shading = fields(size)
    at = np.indices(size) + scale * displacement[::-1]
    exact = [ndimage.map_coordinates(pixels[..., channel].astype(float), at) for channel in range(3)]
    expected = ((1 + shading) * exact).transpose(1, 2, 0).clip(0, 255)
    assert np.abs(done.pixels - expected).mean() < 0.05 * np.abs(pixels - expected).mean()


def test_displaced_grey_stays_grey_and_transparency_and_surroundings_stay():
    grey = np.repeat(textured((200, 200), 1.5)[..., :1], 3, axis=-1)
    alpha = np.random.default_rng(0).integers(0, 256, grey.shape[:2], dtype=np.uint8)
    photo, method = Photograph(grey, alpha), Protector(IMAGE_SIZE, displaces(detail(1.5)))
    done, _ = protect(photo, [face_at(1.5, 20, (100, 90))], "a.jpg", method)
    assert all(np.array_equal(done.pixels[..., 0], done.pixels[..., channel]) for channel in (1, 2))
    assert np.array_equal(done.alpha, alpha)
    rows, columns = np.indices(alpha.shape)
    beyond = np.hypot(columns - 100, rows - 90) > 1.5 * np.hypot(H, W) / 2 + 2
    assert np.array_equal(done.pixels[beyond], grey[beyond]) and not np.array_equal(done.pixels, grey)


def test_a_displaced_face_that_the_photo_cuts_off_has_no_seam():
    # At the photo's left edge, through the middle of the face, the displacement is largest.
    ramp = np.repeat(np.linspace(40, 200, 200).astype(np.uint8)[:, None], 200, axis=1)
    photo = Photograph(np.repeat(ramp[..., None], 3, axis=-1))
    done, _ = protect(photo, [face_at(2, 0, (0, 100))], "a.jpg", Protector(IMAGE_SIZE, displaces(0 * detail(1))))
    change = done.pixels[..., 0].astype(int) - photo.pixels[..., 0]
    assert np.abs(change).max() > 4 and np.abs(np.diff(change, axis=1)).max() <= 2


class Pixels(nn.Module):
    """A model whose logits, or features, are its input."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.weight * images.flatten(1)


@pytest.mark.parametrize("scale", [0.3, 0.5])
def test_an_attack_allows_for_what_a_photograph_of_few_pixels_keeps(scale: float):
    perturbation, differences = detail(0.7), []

    def deidentify(context: Context) -> torch.Tensor:
        x_adv = context.images + torch.from_numpy(perturbation)
        differences.append((context.model(x_adv) - context.images.flatten(1)).detach().numpy().reshape(3, H, W))
        return x_adv

    pixels = Protector(IMAGE_SIZE, deidentify, Classifier(Pixels(), "random", 0))
    _, [protected] = protect(Photograph(smooth((100, 100))), [face_at(scale, 10, (50, 50))], "a.jpg", pixels)
    arrived = protected.after - protected.before
    assert np.linalg.norm(perturbation - arrived) > 0.6 * np.linalg.norm(perturbation)
    assert np.linalg.norm(differences[0] - arrived) < 0.35 * np.linalg.norm(arrived)


@pytest.mark.parametrize("scale", [0.5, 1, 4])
def test_no_seam_shows_at_the_frames_border(scale: float):
    face = face_at(scale, 0, (150, 160))
    flat = np.full((320, 300, 3), 128, np.uint8)
    done, _ = protect(Photograph(flat), [face], "a.jpg", protector(adds(np.full((3, H, W), 0.1, np.float32))))
    changed = done.pixels[160, :, 0].astype(int) - 128
    assert changed.max() == pytest.approx(25.5, abs=2.5)
    steps = np.abs(np.diff(changed))
    # From zero to the full value within the fade; a seam would be one step of 25.
    assert steps.max() <= 25.5 / max(1, scale * 0.08 * W) * 2
    assert changed[: int(150 - scale * W / 2) - 1].max() == 0


def test_what_lies_outside_the_photograph_is_no_part_of_the_attack():
    asked = []

    def deidentify(context: Context) -> torch.Tensor:
        outside = torch.zeros_like(context.images)
        outside[..., : W // 2 - 2] = 0.2
        asked.append(context.model(context.images + outside) - context.model(context.images))
        return context.images

    protect(Photograph(smooth((200, 200))), [face_at(1, 0, (0, 100))], "a.jpg", protector(deidentify))
    assert asked[0].abs().max() < 1e-5


def test_a_face_does_not_depend_on_those_after_it():
    pixels = smooth((200, 400))
    first, second = face_at(1, 5, (80, 100)), face_at(1.5, -5, (300, 100))
    alone, [alone_face] = protect(Photograph(pixels), [first], "a.jpg", protector())
    both, [same_face, _] = protect(Photograph(pixels), [first, second], "a.jpg", protector())
    assert np.array_equal(alone_face.after, same_face.after)
    assert np.array_equal(alone.pixels[:, :150], both.pixels[:, :150])
    assert not np.array_equal(both.pixels[:, 250:], pixels[:, 250:])


def test_faces_whose_frames_overlap_are_both_protected():
    faces = [face_at(1, 0, (100, 100)), face_at(1, 0, (100 + W * 0.6, 105))]
    _, protected = protect(Photograph(smooth((200, 260))), faces, "a.jpg", protector())
    assert [face.predictions.predicted for face in protected] == [face.predictions.target for face in protected]


def test_a_target_depends_on_name_and_number_and_is_never_the_persons_own():
    faces = [face_at(0.5, 0, (x, 60)) for x in range(30, 300, 40)]
    unchanged = protector(lambda context: context.images)
    names = ("a.jpg", "b.jpg", "a.jpg")
    runs = [protect(Photograph(smooth((120, 320))), faces, name, unchanged) for name in names]
    targets = [[face.predictions.target for face in protected] for _, protected in runs]
    assert targets[0] == targets[2] != targets[1] and len(set(targets[0])) > 2
    assert all(
        face.predictions.target != face.predictions.predicted_clean for _, protected in runs for face in protected
    )


def test_inverse_is_the_way_back():
    there = np.array([[0.3, -0.4, 7], [0.4, 0.3, -2]])
    assert np.allclose(np.vstack([there, [0, 0, 1]]) @ np.vstack([inverse(there), [0, 0, 1]]), np.eye(3))


# ── The file ──────────────────────────────────────────────────────────────────────────────────────────────────────


def round_trip(content: bytes) -> tuple[Photograph, Image.Image]:
    read = read_photograph(content, "a.jpg")
    written = Image.open(io.BytesIO(png(read)))
    assert not written.info and not written.getexif()
    assert np.array_equal(read_photograph(png(read), "a.png").pixels, read.pixels)
    return read, written


def test_orientation_is_applied_and_place_and_camera_are_dropped():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Secret Camera"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    content = encoded(Image.fromarray(smooth((30, 40))), "JPEG", exif=exif, comment=b"at home", quality=95)
    read, written = round_trip(content)
    assert written.mode == "RGB" and written.size == (30, 40)
    plain = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert np.array_equal(read.pixels, np.rot90(plain, 3)) and read.notes == ()
    assert b"Secret" in content and b"Secret" not in png(read) and b"home" not in png(read)


def test_grey_stays_grey_in_one_channel():
    grey = smooth((20, 24))[..., 0]
    for picture in (Image.fromarray(grey), Image.fromarray(grey).convert("RGB")):
        read, written = round_trip(encoded(picture))
        assert written.mode == "L" and np.array_equal(read.pixels[..., 1], grey)


def test_transparency_is_kept_with_the_colours_under_it():
    layer = np.dstack([smooth((20, 24)), np.full((20, 24), 90, np.uint8)])
    for kind, mode in ((layer, "RGBA"), (layer[..., 2:], "LA")):
        read, written = round_trip(encoded(Image.fromarray(np.ascontiguousarray(kind))))
        assert written.mode == mode and np.array_equal(np.asarray(written), kind)
        on_white = (255 * 165 + read.pixels.astype(float) * 90) / 255
        assert np.abs(read.seen - on_white).max() <= 1


def test_transparency_that_cannot_be_kept_is_laid_on_white_and_noted():
    # 16-bit grey, in which one level means transparency.
    grey = Image.fromarray(np.array([[0, 30_000], [50_000, 65_535]], np.uint16))
    read, _ = round_trip(encoded(grey, transparency=30_000))
    assert read.alpha is None and read.pixels[..., 0].tolist() == [[0, 255], [195, 255]]
    [note] = read.notes
    assert "Transparency" in note and "white" in note


def profile(red: bytes = b"rXYZ", blue: bytes = b"bXYZ") -> bytes:
    """The profile of sRGB, optionally with other tags for its primaries."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return srgb.replace(b"rXYZ", b"????").replace(b"bXYZ", blue).replace(b"????", red)


def test_colours_of_another_profile_become_those_of_srgb():
    pixels = smooth((20, 24))
    read, _ = round_trip(encoded(Image.fromarray(pixels), icc_profile=profile(red=b"bXYZ", blue=b"rXYZ")))
    # The profile swaps red and blue.
    assert np.abs(read.pixels[..., ::-1].astype(int) - pixels).max() <= 2
    assert len(read.notes) == 1 and "converted to sRGB" in read.notes[0]
    grey = np.repeat(pixels[..., :1], 3, axis=-1)
    read, written = round_trip(encoded(Image.fromarray(grey), icc_profile=profile(red=b"bXYZ", blue=b"rXYZ")))
    assert written.mode == "L" and np.abs(read.pixels.astype(int) - grey).max() <= 2


def test_a_profile_of_srgb_changes_nothing():
    pixels = smooth((20, 24))
    read, _ = round_trip(encoded(Image.fromarray(pixels), icc_profile=profile()))
    assert np.array_equal(read.pixels, pixels) and read.notes == ()


def test_a_profile_that_cannot_be_used_is_left_out_and_noted():
    read, _ = round_trip(encoded(Image.fromarray(smooth((20, 24))), icc_profile=b"no profile"))
    [note] = read.notes
    assert "profile cannot be read" in note


# A green outside sRGB: its red is negative.
GREEN = Image.fromarray(np.full((20, 24, 3), [90, 200, 90], np.uint8))
LEFT = (90, 200, 90)
# The same green, converted by colour-science 0.4.7.
FROM_ADOBE_RGB, FROM_P3, FROM_LINEAR = (0, 201, 80), (0, 203, 72), (160, 229, 160)
STATED = "converted to sRGB from the gamma and primaries"
P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)


def by_exif(space: int, index: str | None = None, kind: str = "PNG") -> bytes:
    """An image with a camera's declaration of its colours: EXIF's ColorSpace and DCF's interoperability index."""
    exif = Image.Exif()
    inside = exif.get_ifd(ExifTags.IFD.Exif)
    inside[ExifTags.Base.ColorSpace] = space
    if index:
        inside[0xA005] = {1: index}
    return encoded(GREEN, kind, exif=exif.tobytes(), **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}))


def by_chunks(picture: Image.Image = GREEN, **chunks: bytes) -> bytes:
    """A PNG with chunks before its pixels."""
    content = encoded(picture)
    added = b"".join(
        struct.pack(">I", len(data)) + name.encode() + data + struct.pack(">I", zlib.crc32(name.encode() + data))
        for name, data in chunks.items()
    )
    return content[:33] + added + content[33:]


def numbers(*values: float) -> bytes:
    """Encode values as in gAMA and cHRM."""
    return struct.pack(f">{len(values)}I", *(round(100_000 * value) for value in values))


DECLARED = {
    "EXIF, Adobe RGB": (by_exif(0xFFFF, "R03", "JPEG"), FROM_ADOBE_RGB, "sRGB from Adobe RGB (1998)"),
    "EXIF, ColorSpace 2": (by_exif(2), FROM_ADOBE_RGB, "sRGB from Adobe RGB (1998)"),
    "EXIF, uncalibrated": (by_exif(0xFFFF), LEFT, "uncalibrated"),
    "EXIF, sRGB": (by_exif(1, "R98"), LEFT, None),
    "EXIF, damaged": (encoded(GREEN, "PNG", exif=b"Exif\0\0no directory"), LEFT, None),
    "cICP, Display P3": (by_chunks(cICP=bytes([12, 13, 0, 1])), FROM_P3, "sRGB from Display P3"),
    "cICP, sRGB, before all else": (by_chunks(cICP=bytes([1, 13, 0, 1]), gAMA=numbers(1)), LEFT, None),
    "cICP, PQ": (by_chunks(cICP=bytes([9, 16, 0, 1])), LEFT, "primaries 9 and transfer 16"),
    "gAMA": (by_chunks(gAMA=numbers(1)), FROM_LINEAR, STATED),
    "cHRM": (by_chunks(cHRM=numbers(*P3)), FROM_P3, STATED),
    "gAMA and cHRM of sRGB": (by_chunks(gAMA=numbers(0.45455), cHRM=numbers(*SRGB)), LEFT, None),
    "sRGB, before gAMA": (by_chunks(sRGB=b"\0", gAMA=numbers(1)), LEFT, None),
    "zeros": (by_chunks(gAMA=numbers(0), cHRM=numbers(*[0] * 8)), LEFT, None),
}


@pytest.mark.parametrize(("content", "expected", "note"), DECLARED.values(), ids=DECLARED)
def test_colours_are_read_as_the_file_declares_them(content: bytes, expected: tuple, note: str | None):
    read, _ = round_trip(content)
    assert np.abs(read.pixels.astype(int) - expected).max() <= 2
    assert (len(read.notes) == 1 and note in read.notes[0]) if note else read.notes == ()


def test_what_is_grey_stays_grey_in_another_colour_space():
    grey = np.repeat(smooth((20, 24))[..., :1], 3, axis=-1)
    # Its white is that of a lamp.
    content = by_chunks(Image.fromarray(grey), gAMA=numbers(1), cHRM=numbers(0.45, 0.41, *SRGB[2:]))
    read, written = round_trip(content)
    assert written.mode == "L" and read.pixels.min() > grey.min()


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_frames_that_are_left_out_are_noted(kind: str):
    frames = [Image.fromarray(smooth((20, 24), seed)) for seed in range(3)]
    read = read_photograph(encoded(frames[0], kind, save_all=True, append_images=frames[1:]), "a")
    [note] = read.notes
    assert "3 frames" in note and "first" in note
    assert read_photograph(encoded(frames[0], kind), "a").notes == ()


def test_a_raw_files_thumbnail_is_not_taken_for_the_photograph():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[ExifTags.Base.NewSubfileType] = 1
    content = encoded(Image.fromarray(smooth((20, 24))), "TIFF", tiffinfo=tags)
    with pytest.raises(InputError, match=r"^a\.dng: .*thumbnail of 24 x 20 pixels"):
        read_photograph(content, "a.dng")
    assert read_photograph(encoded(Image.fromarray(smooth((20, 24))), "TIFF"), "a.tif").notes == ()


# ── Verdicts of recognisers ───────────────────────────────────────────────────────────────────────────────────────


def recogniser(**how) -> Recogniser:
    return Recogniser("mean", "Mean", network=lambda images: images.mean(axis=(2, 3)), **how)


def test_a_verdict_compares_the_similarity_of_before_and_after_with_the_threshold():
    before, after = (np.full((3, 4, 4), level, np.float32) for level in (0.2, 0.5))
    distance = -0.3 * 3**0.5
    for threshold, same in ((-0.53, True), (-0.51, False), (np.nan, None)):
        result = verdict(recogniser(distance="euclidean"), before, after, threshold)
        assert result.similarity == pytest.approx(distance) and result.same_person is same
    # There are no other identities to centre by.
    assert verdict(recogniser(centred=True), before, after, 0.5).same_person is None


ROW = {"face": 1, "width": 20, "height": 25, "model": "B", "descriptor": "dlib", "method": "P-FGVM"}
ROW |= {"mode": "", "displacement": 0.0, "displacement_max": 0.0, "flip_close": 0.0414}
MODEL = {"recogniser": "B", "seen": True, "predicted_clean": "7", "predicted": "9", "same_person": False}
OTHER = {"recogniser": "dlib", "seen": True, "target": None, "distance": "euclidean", "similarity": -0.41}


def test_the_table_gives_target_and_predictions_and_each_recognisers_verdict():
    rows = [ROW | MODEL | {"target": target} for target in ("9", "4")]
    hit, missed = (photograph_table([row]).rows[0] for row in rows)
    assert hit[2:] == ["Model B (dlib)", "person 7", "person 9 (the target)"]
    assert missed[4] == "person 9 (the target is 4)"
    tables = [
        photograph_table([rows[0], ROW | OTHER | {"threshold": threshold, "same_person": same}])
        for threshold, same in ((-0.6, True), (-0.3, False), (np.nan, None), (-0.6, None))
    ]
    assert [table.rows[1][4] for table in tables] == [
        "the same person (distance 0.41, limit 0.60)", "another person (distance 0.41, limit 0.30)", "distance 0.41",
        "distance 0.41",
    ]  # fmt: skip
    assert tables[0].rows[1][2] == "dlib, under Model B"
    visible, narrow = tables[0].notes
    assert "FLIP 0.041" in visible and tables[0].caption == "P-FGVM on Model B (dlib)."
    assert "Face 1 is 20 pixels wide" in narrow
    assert "threshold" in tables[2].notes[2] and "dlib" in tables[2].notes[2]
    assert "centred" in tables[3].notes[2] and "dlib" in tables[3].notes[2]


# ── The program ───────────────────────────────────────────────────────────────────────────────────────────────────


def configure(folder: Path, changes: dict[str, Any] | None = None) -> None:
    """Write params.yaml with `changes`."""
    quick = {"attack.p_fgvm.iterations": 8, "attack.p_fgvm_features.views": 1}
    quick |= {"attack.p_fgvm_shape.iterations": 8, "attack.p_fgvm_shape.views": 1}
    values = changed({"device": "cpu", "threads": 1} | quick | (changes or {}))
    YAML(typ="safe", pure=True).dump(values, folder / "params.yaml")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with settings, a trained Model A and photos."""
    folder = tmp_path_factory.mktemp("protect")
    configure(folder)
    record = training_record("A", image_height=H, image_width=W, classes=[f"p{n}" for n in range(CLASSES)])
    TrainedModel.write(small_a(), record, folder / "data/models/A")
    (folder / "data/installed-weights").touch()
    double = Image.fromarray(photograph((500, 300), (FRONTAL[0], 218, 20, 30), (FRONTAL[1], 140, 300, 80)))
    double.save(folder / "two faces.jpg", quality=95)
    single = Image.fromarray(photograph((240, 300), (FRONTAL[2], 218, 30, 30)))
    single.convert("L").save(folder / "IMG_1.webp", lossless=True)
    (folder / "other").mkdir()
    single.save(folder / "other/IMG_1.png")
    Image.fromarray(smooth((200, 300))).save(folder / "nobody.png")
    Image.fromarray(smooth((20, 20))).save(folder / "small.png")
    (folder / "words.jpg").write_text("no picture")
    return folder


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.chdir(project)

    def protect_photographs(*arguments: str) -> tuple[int, str, str]:
        method = [] if {"--mode", "--method"} & set(arguments) else ["--method", "p_fgvm"]
        status = main(["--model", "A", *method, *arguments])
        return status, *capsys.readouterr()

    return protect_photographs


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_photograph_is_written_with_its_table_whatever_else_is_asked(project: Path, run):
    status, output, errors = run(
        "--out", "all", "nobody.png", "two faces.jpg", "words.jpg", "missing.jpg", "IMG_1.webp"
    )
    assert status == 1
    assert set(contents(project / "all")) == {
        f"{stem}.{end}" for stem in ("two faces", "IMG_1") for end in ("protected.png", "before_after.png", "csv")
    }
    lines = [line for line in errors.splitlines() if line]
    assert [line.partition(": ")[2].partition(":")[0] for line in lines] == ["nobody.png", "words.jpg", "missing.jpg"]
    assert "no face was found on its 300 x 200 pixels" in lines[0]
    assert "not a complete image" in lines[1] and "cannot be read" in lines[2]
    assert output.index("two faces.jpg -> all/two faces.protected.png") < output.index("IMG_1.webp -> ")
    assert "Model A alone" in output and "safety" in output.splitlines()[-1]

    # Processed singly, in any order: the same bytes.
    for name in ("IMG_1.webp", "two faces.jpg"):
        assert run("--out", "each", name)[0] == 0
    assert contents(project / "each") == contents(project / "all")

    table = pd.read_csv(project / "all/two faces.csv")
    assert list(table["face"]) == [1] * 3 + [2] * 3 and list(table["recogniser"]) == ["A", "dlib", "sface"] * 2
    assert set(table["photograph"]) == {"two faces.jpg"} and not table["seen"][1:3].any()
    assert (table["left"].diff()[3] > 100) and table["threshold"].tolist()[1] == -0.6
    assert (table["target"][[0, 3]] != table["predicted_clean"][[0, 3]]).all()
    assert table["similarity"][[2, 5]].between(0.3, 1).all()
    with Image.open(project / "all/IMG_1.protected.png") as grey, Image.open(project / "IMG_1.webp") as before:
        assert grey.mode == "L" and not np.array_equal(np.asarray(grey), np.asarray(before.convert("L")))


def test_results_of_another_photograph_are_not_overwritten(project: Path, run):
    status, output, errors = run("--out", "same", "IMG_1.webp", "other/IMG_1.png")
    before = contents(project / "same")
    assert status == 1 and "IMG_1.webp ->" in output
    assert errors.startswith("error: other/IMG_1.png: same/IMG_1.protected.png ") and "another photo" in errors
    assert run("--out", "same", "IMG_1.webp")[0] == 0 and contents(project / "same") == before
    # Without its table the image's photo is unknown.
    (project / "same/IMG_1.csv").unlink()
    assert run("--out", "same", "IMG_1.webp")[0] == 1


@pytest.mark.parametrize(
    ("source", "threshold", "decision"), [("folder", -0.001, "another"), ("synthetic", -0.6, "the same")]
)
def test_thresholds_measured_on_photos_come_before_published_ones(project: Path, run, source, threshold, decision):
    lines = ["recogniser,fmr,threshold,note", "dlib,0.01,-0.001,", "dlib,0.001,-9,", "sface,0.01,,too few pairs"]
    (project / "reports/evaluation").mkdir(parents=True)
    (project / "reports/evaluation/thresholds.csv").write_text("\n".join(lines) + "\n")
    # What the evaluation was made of counts, not the current setting.
    (project / "reports/evaluation/report.json").write_text(json.dumps({"run": {"Faces": FACES[source]}}))
    try:
        status, output, _ = run("--out", source, "other/IMG_1.png")
    finally:
        shutil.rmtree(project / "reports")
    assert status == 0
    table = pd.read_csv(project / source / "IMG_1.csv")
    assert table["threshold"].tolist()[1:] == [threshold, 0.363]
    assert f"{decision} person (distance" in output


def test_a_method_that_needs_more_than_a_photograph_is_refused_with_those_that_do_not(run):
    status, _, errors = run("--method", "k_same", "IMG_1.webp")
    assert status == 1 and errors.count("\n") == 1
    named = errors.partition("use one of ")[2].strip().split(", ")
    assert {"p_fgvm", "i_fgvm", "i_fgsm", "p_fgvm_noise", "p_fgvm_features"} <= set(named)
    assert not {"k_same", "random_equal_l2", "pixelation", "clean"} & set(named)


def test_a_model_that_is_not_trained_is_asked_for(run):
    status, _, errors = run("--model", "B", "IMG_1.webp")
    assert status == 1 and errors.startswith("error: data/models/B: ") and "not trained" in errors


def test_the_method_on_features_needs_no_trained_model(project: Path, run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tools.protect.MODELS", project / "nowhere")
    status, output, _ = run("--method", "p_fgvm_features", "--out", "features", "two faces.jpg")
    assert status == 0 and "P-FGVM (features) on dlib" in output
    table = pd.read_csv(project / "features/two faces.csv")
    assert list(table["face"]) == [1, 1, 2, 2] and list(table["recogniser"]) == ["dlib", "sface"] * 2
    assert table["model"].isna().all() and set(table["descriptor"]) == {"dlib"} and table["target"].isna().all()
    assert list(table["seen"]) == [True, False] * 2
    # dlib's published threshold is a distance of 0.6.
    assert not table["same_person"][table["seen"]].any() and (table["l2"] > 0.5).all()
    lines = [line for line in output.splitlines() if re.match(r"\|.*(dlib, attacked|SFace)", line)]
    assert [line.split("|")[1].strip() for line in lines] == ["1", "", "2", ""]


def test_two_descriptors_are_attacked_together(project: Path, run):
    tables = []
    for names, words in ((["dlib"], "on dlib."), (["dlib", "sface"], "on dlib and SFace.")):
        configure(project, {"attack.p_fgvm_features.descriptors": names})
        try:
            status, output, _ = run("--method", "p_fgvm_features", "--out", "attacked", "IMG_1.webp")
        finally:
            configure(project)
        assert status == 0 and f"P-FGVM (features) {words}" in output
        tables.append(pd.read_csv(project / "attacked/IMG_1.csv").set_index("recogniser"))
    alone, both = tables
    assert alone["seen"].to_dict() == {"dlib": True, "sface": False} and both["seen"].all()
    assert set(both["descriptor"]) == {"dlib,sface"}
    assert alone.loc["dlib", "similarity"] < both.loc["dlib", "similarity"]
    assert both.loc["sface", "similarity"] < alone.loc["sface", "similarity"] - 0.2


def test_modes_are_compared_and_the_chosen_one_is_written(project: Path, run, monkeypatch: pytest.MonkeyPatch):
    loaded = []
    monkeypatch.setattr(
        "tools.protect.open_descriptor", lambda name, *rest: loaded.append(name) or open_descriptor(name, *rest)
    )
    tables, written = {}, {}
    for mode in ("natural", "pixels"):
        status, output, _ = run("--mode", mode, "--out", mode, "two faces.jpg")
        assert status == 0 and f"Mode {mode}: {ATTACKS[MODES[mode]].label} on dlib." in output
        tables[mode] = pd.read_csv(project / mode / "two faces.csv")
        written[mode] = png_pixels(project / mode / "two faces.protected.png")
        with Image.open(project / mode / "two faces.before_after.png") as figure:
            # Two faces of 600 pixels in four columns.
            assert figure.width > 4 * 480 and figure.height > 2 * 600
        first, second = tables[mode].drop_duplicates("face").to_dict("records")
        for face in (first, second):
            line = f"FLIP {face['flip_close']:.3f}"
            assert line in output.replace("\n ", "") and 0.001 < face["flip_close"] < 0.5
    # Each network is loaded once for the three modes.
    assert loaded == ["dlib", "dlib"]
    assert not np.array_equal(written["natural"], written["pixels"])
    assert set(tables["natural"]["mode"]) == {"natural"} and (tables["pixels"]["displacement_max"] == 0).all()
    [one, other] = tables["natural"].drop_duplicates("face").to_dict("records")
    # 0.8 pixels of a frame 218 pixels high, whose faces are 218 and 140 pixels high in the photo.
    assert one["displacement"] == pytest.approx(0.8, rel=0.25) and one["displacement_max"] > 1.5 * one["displacement"]
    assert other["displacement"] == pytest.approx(0.8 * 140 / 218, rel=0.25)


def test_the_written_mode_is_that_of_its_method_alone(project: Path, run):
    # The other modes, computed for the figure, leave no trace in the photo.
    assert run("--mode", "strong", "--out", "by mode", "IMG_1.webp")[0] == 0
    assert run("--method", MODES["strong"], "--out", "by method", "IMG_1.webp")[0] == 0
    by_mode, by_method = (png_pixels(project / folder / "IMG_1.protected.png") for folder in ("by mode", "by method"))
    assert np.array_equal(by_mode, by_method)
    assert pd.read_csv(project / "by method/IMG_1.csv")["mode"].isna().all()


def png_pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_mode_and_a_method_exclude_each_other(run, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit):
        run("--mode", "natural", "--method", "p_fgvm", "IMG_1.webp")
    assert "not allowed with argument" in capsys.readouterr().err


def test_an_attack_on_descriptors_allows_for_it_too():
    perturbation, differences = detail(0.7), []

    def deidentify(context: Context) -> torch.Tensor:
        [descriptor] = context.descriptors(["pixels"])
        x_adv = context.images + torch.from_numpy(perturbation)
        differences.append((descriptor(x_adv) - context.images.flatten(1)).detach().numpy().reshape(3, H, W))
        with pytest.raises(ValueError, match="model"):
            context.model(x_adv)
        return x_adv

    features = Protector(IMAGE_SIZE, deidentify, descriptors={"pixels": Pixels()})
    _, [protected] = protect(Photograph(smooth((100, 100))), [face_at(0.3, 10, (50, 50))], "a.jpg", features)
    arrived = protected.after - protected.before
    assert protected.predictions is None and np.linalg.norm(differences[0] - arrived) < 0.35 * np.linalg.norm(arrived)


def test_a_folder_that_cannot_be_written_to_is_one_line(project: Path, run):
    (project / "taken").write_text("a file")
    status, _, errors = run("--out", "taken", "IMG_1.webp", "two faces.jpg")
    assert status == 1 and errors.startswith("error: taken: File exists") and errors.count("\n") == 1


def test_a_name_too_long_for_its_results_stops_no_other_and_leaves_nothing(project: Path, run):
    # Only the name of before_after.png exceeds the file system's limit.
    stem = "写" * 80
    shutil.copy(project / "IMG_1.webp", project / f"{stem}.webp")
    status, output, errors = run("--out", "long", f"{stem}.webp", "IMG_1.webp")
    assert status == 1 and "IMG_1.webp -> long/IMG_1.protected.png" in output
    assert errors.startswith(f"error: {stem}.webp: long/{stem}.before_after.png: File name too long")
    assert set(contents(project / "long")) == {"IMG_1.protected.png", "IMG_1.before_after.png", "IMG_1.csv"}


def test_a_name_that_is_no_utf8_is_protected_like_any_other(project: Path, run):
    stem = os.fsdecode(b"caf\xe9")
    try:
        shutil.copy(project / "IMG_1.webp", project / f"{stem}.webp")
    except OSError:
        pytest.skip("this file system takes no such name")
    assert run("--out", "latin", f"{stem}.webp")[0] == 0
    assert set(contents(project / "latin")) == {f"{stem}.{end}" for end in ("protected.png", "before_after.png", "csv")}
    table = pd.read_csv(project / "latin" / f"{stem}.csv")
    assert set(table["photograph"]) == {r"caf\udce9.webp"}


LINES = {
    "photo(1).jpg": ["photo(1).jpg"],
    "tom&jerry.jpg": ["tom&jerry.jpg"],
    "it's.jpg": ["it's.jpg"],
    "my cat.jpg": ["my cat.jpg"],
    "$HOME.jpg": ["$HOME.jpg"],
    "[1].jpg": ["[1].jpg"],
    "it's.jpg that's.jpg": ["it's.jpg", "that's.jpg"],
    "'my cat.jpg' photo(1).jpg": ["my cat.jpg", "photo(1).jpg"],
    r"my\ cat.jpg it\'s.jpg": ["my cat.jpg", "it's.jpg"],
    "t*.jpg": ["that's.jpg", "tom&jerry.jpg"],
    "photo(1).jpg missing.jpg 'my cat.jpg'": ["photo(1).jpg", "missing.jpg", "my cat.jpg"],
}


@pytest.mark.parametrize(("line", "names"), LINES.items())
def test_a_line_names_files_of_any_name(line: str, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photo(1).jpg", "tom&jerry.jpg", "it's.jpg", "that's.jpg", "my cat.jpg", "$HOME.jpg", "[1].jpg"):
        Path(name).touch()
    assert named_in(line) == list(map(Path, names))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ([], ["--mode", "natural"]),
        (["MODE=strong"], ["--mode", "strong"]),
        (["METHOD=p_fgvm"], ["--method", "p_fgvm"]),
        # The program refuses both.
        (["METHOD=p_fgvm", "MODE=pixels"], ["--mode", "pixels", "--method", "p_fgvm"]),
    ],
)
def test_make_protect_passes_a_mode_or_a_method(variables: list[str], expected: list[str]):
    words = protect_command("PHOTO=a.jpg", *variables)
    first = min(words.index(name) for name in ("--mode", "--method") if name in words)
    assert words[first : words.index("--out")] == expected


# The second contains variables of make and of the shell.
@pytest.mark.parametrize("line", ["'a b.jpg' c.png", "$HOME$(1).jpg"])
def test_make_protect_passes_names_on(line: str):
    words = protect_command(f"PHOTO={line}", "OUT=my out")
    assert f"--line={line}" in words and words[words.index("--out") + 1] == "my out"


def protect_command(*variables: str) -> list[str]:
    """The words of the program's command line that `make protect` runs."""
    asked = ["make", "--dry-run", "protect", *variables]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    [command] = [line for line in done.stdout.splitlines() if "tools.protect" in line]
    return shlex.split(command.split("&&")[1])

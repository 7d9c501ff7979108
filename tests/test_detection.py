"""YuNet detects the bundled faces at every size, at their position, and once."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pfgvm.evaluation.recognition.alignment import celeba_points, similarity
from pfgvm.evaluation.recognition.detection import Face, detect, find_faces
from pfgvm.faces.geometry import CELEBA_POINTS, CELEBA_SIZE

# Frontal faces, whose landmarks are near CelebA's mean landmarks.
FRONTAL = (90, 580, 880, 1140)
FACES = Path(__file__).parents[1] / "data/synthetic-faces/img_align_celeba.zip"


def bundled(number: int) -> Image.Image:
    """One of the bundled faces, in CelebA's framing."""
    with zipfile.ZipFile(FACES) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        return Image.open(io.BytesIO(archive.read(names[number]))).convert("RGB")


def photograph(size: tuple[int, int], *placed: tuple[int, int, int, int]) -> np.ndarray:
    """A grey image of `size` (width, height) with bundled faces: number, height of the frame, left, top."""
    canvas = Image.new("RGB", size, (120, 130, 110))
    for number, height, left, top in placed:
        width = round(height * CELEBA_SIZE[1] / CELEBA_SIZE[0])
        canvas.paste(bundled(number).resize((width, height), Image.Resampling.LANCZOS), (left, top))
    return np.asarray(canvas)


def assert_at(face: Face, height: int, left: int, top: int) -> None:
    """Landmarks are near CelebA's mean landmarks, within a twelfth of the frame's height; the box, an eighth."""
    expected = np.array(CELEBA_POINTS) * height / CELEBA_SIZE[0] + [left, top]
    assert np.abs(face.points - expected).max() < height / 12
    middle = face.box[:2] + face.box[2:] / 2
    assert np.abs(middle - expected.mean(axis=0)).max() < height / 8


@pytest.mark.parametrize("height", [25, 40, 109, 218, 600, 1500])
def test_a_face_is_detected_once_at_every_size(height: int):
    for number in FRONTAL[:2]:
        [face] = find_faces(photograph((2 * height, 2 * height), (number, height, height // 2, height // 3)))
        assert_at(face, height, height // 2, height // 3)


def test_faces_of_all_sizes_on_a_large_photograph_are_listed_from_left_to_right():
    places = [(150, 100, 1900), (1800, 500, 100), (100, 2700, 300), (700, 3200, 1200)]
    placed = [(number, *place) for number, place in zip(FRONTAL, places, strict=True)]
    faces = find_faces(photograph((4000, 2600), *placed))
    assert len(faces) == 4
    for face, place in zip(faces, places, strict=True):
        assert_at(face, *place)


def test_an_enlarged_photograph_has_its_faces_at_the_enlarged_places():
    small = photograph((300, 300), (FRONTAL[0], 218, 60, 40))
    [face], [large] = find_faces(small), find_faces(np.kron(small, np.ones((3, 3, 1), np.uint8)))
    # Images of different sizes share their edges, not their pixel centres.
    assert np.abs((large.points + 0.5) / 3 - 0.5 - face.points).max() < 4


@pytest.mark.parametrize("degrees", [-45, -20, 20, 45])
def test_the_points_of_a_tilted_face_are_as_tilted(degrees: int):
    for number in FRONTAL[:2]:
        canvas = Image.fromarray(photograph((500, 500), (number, 218, 160, 140)))
        [face] = find_faces(np.asarray(canvas.rotate(degrees, Image.Resampling.BICUBIC)))
        matrix = similarity(face.points, celeba_points(CELEBA_SIZE))
        assert np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])) == pytest.approx(degrees, abs=5)


def test_a_grey_face_is_detected():
    grey = np.repeat(photograph((400, 400), (FRONTAL[0], 218, 90, 90)).mean(axis=-1, keepdims=True), 3, axis=-1)
    assert len(find_faces(grey.astype(np.uint8))) == 1


@pytest.mark.parametrize("size", [(1, 1), (20, 20), (3000, 1), (700, 500)])
def test_without_a_face_none_is_detected(size: tuple[int, int]):
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    assert find_faces(noise) == [] and detect(noise) == []


def test_detect_uses_the_given_size_and_sorts_by_score():
    faces = detect(photograph((500, 250), (FRONTAL[0], 218, 10, 10), (FRONTAL[1], 109, 300, 100)))
    assert len(faces) == 2 and faces[0].score >= faces[1].score
    # Too few pixels for YuNet as they are; `find_faces` enlarges them.
    tiny = photograph((40, 40), (FRONTAL[1], 25, 10, 8))
    assert detect(tiny) == [] and len(find_faces(tiny)) == 1

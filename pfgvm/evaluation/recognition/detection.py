"""Face detection: YuNet (Wu, Peng, Yu 2023) through OpenCV."""

import dataclasses
import functools
from dataclasses import dataclass

import cv2
import numpy as np

from pfgvm.evaluation.recognition.alignment import celeba_points, inverse, similarity, warped
from pfgvm.models.installed_weights import onnx_file

# Visible faces have scores of 0.8 to 0.95; enlarged images of gravel and a galaxy reached 0.7.
_LEAST_SCORE = 0.7
_MOST_OVERLAP = 0.3
# Overlap of a box with a larger one: on a face at too large a scale, YuNet also detects faces in its parts.
_MOST_INSIDE = 0.5
# Longer side, in pixels, at which an image is searched. YuNet detects faces about 10 to 400 pixels wide: the first size
# is for large faces, the second for small faces in large photos. Small images are enlarged, for better recall.
_COARSE, _MOST_ENLARGED = 640, 4
_FINE, _FINE_ENLARGED = 2560, 2
# The landmarks of a tilted face are biased to upright, less so at higher resolution. They are detected again in the
# face rotated and enlarged to this size. Three rounds corrected a tilt of 60 degrees that was first detected as 6.
_TURNED, _ROUNDS = (436, 356), 3


@dataclass(frozen=True)
class Face:
    """A face in an image, in pixel coordinates; pixel centres count from 0.

    box: left, top, width, height. points: (5, 2), x and y of the left eye, right eye, nose tip, left and right mouth
    corner, as in the image. score: in [0, 1].
    """

    box: np.ndarray
    points: np.ndarray
    score: float


def detect(image: np.ndarray) -> list[Face]:
    """Faces that YuNet detects in `image`, uint8 RGB, (H, W, 3), at its own size, best first."""
    detector = _detector()
    detector.setInputSize((image.shape[1], image.shape[0]))
    # None without faces, which OpenCV's types omit.
    result: tuple[int, np.ndarray | None] = detector.detect(np.ascontiguousarray(image[..., ::-1]))
    rows = result[1]
    if rows is None:
        return []
    faces = [Face(row[:4], row[4:14].reshape(5, 2), float(row[14])) for row in rows.astype(np.float64)]
    return sorted(faces, key=lambda face: -face.score)


def find_faces(photograph: np.ndarray) -> list[Face]:
    """Faces in the `photograph`, uint8 RGB, (H, W, 3), of any size, from left to right.

    It is searched at one or two sizes; then each face is refined, which may be tilted by about 60 degrees.
    """
    height, width = photograph.shape[:2]
    longer = max(height, width)
    sizes = [min(_COARSE, _MOST_ENLARGED * longer)]
    if (fine := min(_FINE, _FINE_ENLARGED * longer)) > sizes[0]:
        sizes.append(fine)
    candidates = [face for size in sizes for face in _detect_at(photograph, size / longer)]
    faces: list[Face] = []
    for face in sorted(candidates, key=lambda face: -face.score):
        if all(_shared(face, other) <= _MOST_INSIDE for other in faces):
            faces.append(face)
    faces = [dataclasses.replace(face, points=_refined(photograph, face.points)) for face in faces]
    return sorted(faces, key=lambda face: (face.box[0] + face.box[2] / 2, face.box[1]))


def _detect_at(photograph: np.ndarray, scale: float) -> list[Face]:
    height, width = photograph.shape[:2]
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    growth = np.array([size[0] / width, size[1] / height])
    scaled = cv2.resize(photograph, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return [_moved(face, growth) for face in detect(scaled)]


def _refined(photograph: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The `points` of a face, detected again in the face rotated upright; unchanged if it is not detected."""
    expected = celeba_points(_TURNED)
    for _ in range(_ROUNDS):
        turn = similarity(points, expected)
        turned = np.rint(warped(photograph, turn, _TURNED).clip(0, 255)).astype(np.uint8)
        detections = [face.points for face in detect(turned)]
        if not detections:
            break
        nearest = min(detections, key=lambda landmarks: np.abs(landmarks - expected).sum())
        points = np.column_stack([nearest, np.ones(len(nearest))]) @ inverse(turn).T
    return points


def _moved(face: Face, growth: np.ndarray) -> Face:
    """`face`, detected in a copy `growth` (x, y) times as large, in coordinates of the original."""
    # Images of different sizes share their edges, not their pixel centres.
    box, points = face.box.reshape(2, 2), (face.points + 0.5) / growth - 0.5
    corner, extent = (box[0] + 0.5) / growth - 0.5, box[1] / growth
    return Face(np.concatenate([corner, extent]), points, face.score)


def _shared(a: Face, b: Face) -> float:
    """Share of the smaller of two boxes that is inside the other, in [0, 1]."""
    low = np.maximum(a.box[:2], b.box[:2])
    high = np.minimum(a.box[:2] + a.box[2:], b.box[:2] + b.box[2:])
    return float(np.prod(np.maximum(0, high - low)) / min(np.prod(a.box[2:]), np.prod(b.box[2:])))


@functools.cache
def _detector() -> cv2.FaceDetectorYN:
    # OpenCV 5 warns about its choice of backend.
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        return cv2.FaceDetectorYN.create(str(onnx_file("yunet")), "", (1, 1), _LEAST_SCORE, _MOST_OVERLAP)
    finally:
        cv2.utils.logging.setLogLevel(before)

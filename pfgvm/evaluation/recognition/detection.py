"""Where the faces are on an image: YuNet (Wu, Peng, Yu 2023) through OpenCV."""

import dataclasses
import functools
from dataclasses import dataclass

import cv2
import numpy as np

from pfgvm.evaluation.recognition.alignment import celeba_points, inverse, similarity, warped
from pfgvm.evaluation.recognition.installed_files import installed_file

# Faces in view score 0.8 to 0.95; gravel and a galaxy, enlarged, came to 0.7.
_LEAST_SCORE = 0.7
_MOST_OVERLAP = 0.3
# Of two boxes, one mostly inside the other: on a face seen too large YuNet also finds faces in its parts.
_MOST_INSIDE = 0.5
# Longer side, in pixels, at which an image is looked at. YuNet finds faces some 10 to 400 pixels wide: the first size
# is for large faces, the second for the small ones on large photographs. Enlarged, small images show more of theirs.
_COARSE, _MOST_ENLARGED = 640, 4
_FINE, _FINE_ENLARGED = 2560, 2
# The points of a tilted face come out too upright, less so the more pixels it has: they are looked for again where they
# turn and enlarge the face to this size. From a tilt of 60 degrees seen as 6, three rounds led to one seen as 60.
_TURNED, _ROUNDS = (436, 356), 3


@dataclass(frozen=True)
class Face:
    """A face on an image, in pixels of the image, whose centres count from 0.

    box: left, top, width, height. points: (5, 2), x and y of the eye on the left, the eye on the right, the tip of the
    nose, the corner of the mouth on the left, that on the right. score: in [0, 1].
    """

    box: np.ndarray
    points: np.ndarray
    score: float


def detect(image: np.ndarray) -> list[Face]:
    """The faces that YuNet finds on the `image`, uint8 RGB, (H, W, 3), at this very size, best first."""
    detector = _detector()
    detector.setInputSize((image.shape[1], image.shape[0]))
    # OpenCV's types do not say that there may be none.
    answer: tuple[int, np.ndarray | None] = detector.detect(np.ascontiguousarray(image[..., ::-1]))
    rows = answer[1]
    if rows is None:
        return []
    found = [Face(row[:4], row[4:14].reshape(5, 2), float(row[14])) for row in rows.astype(np.float64)]
    return sorted(found, key=lambda face: -face.score)


def find_faces(photograph: np.ndarray) -> list[Face]:
    """The faces on the `photograph`, uint8 RGB, (H, W, 3), of any size, from left to right.

    It is looked at in one or two sizes, and then closely at each face, which may be tilted by some 60 degrees.
    """
    height, width = photograph.shape[:2]
    longer = max(height, width)
    sizes = [min(_COARSE, _MOST_ENLARGED * longer)]
    if (fine := min(_FINE, _FINE_ENLARGED * longer)) > sizes[0]:
        sizes.append(fine)
    found = [face for size in sizes for face in _detect_at(photograph, size / longer)]
    kept: list[Face] = []
    for face in sorted(found, key=lambda face: -face.score):
        if all(_shared(face, other) <= _MOST_INSIDE for other in kept):
            kept.append(face)
    kept = [dataclasses.replace(face, points=_refined(photograph, face.points)) for face in kept]
    return sorted(kept, key=lambda face: (face.box[0] + face.box[2] / 2, face.box[1]))


def _detect_at(photograph: np.ndarray, scale: float) -> list[Face]:
    height, width = photograph.shape[:2]
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    growth = np.array([size[0] / width, size[1] / height])
    seen = cv2.resize(photograph, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return [_moved(face, growth) for face in detect(seen)]


def _refined(photograph: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The `points` of a face, looked for again where it stands upright by them; as they are where it is not found."""
    expected = celeba_points(_TURNED)
    for _ in range(_ROUNDS):
        turn = similarity(points, expected)
        turned = np.rint(warped(photograph, turn, _TURNED).clip(0, 255)).astype(np.uint8)
        found = [face.points for face in detect(turned)]
        if not found:
            break
        nearest = min(found, key=lambda places: np.abs(places - expected).sum())
        points = np.column_stack([nearest, np.ones(len(nearest))]) @ inverse(turn).T
    return points


def _moved(face: Face, growth: np.ndarray) -> Face:
    """`face` on the image of which it was found on a copy that is `growth` (x, y) times as large."""
    # Of two sizes the edges agree, not the pixels' centres.
    box, points = face.box.reshape(2, 2), (face.points + 0.5) / growth - 0.5
    corner, extent = (box[0] + 0.5) / growth - 0.5, box[1] / growth
    return Face(np.concatenate([corner, extent]), points, face.score)


def _shared(a: Face, b: Face) -> float:
    """The part of the smaller of two boxes that lies in the other, in [0, 1]."""
    low = np.maximum(a.box[:2], b.box[:2])
    high = np.minimum(a.box[:2] + a.box[2:], b.box[:2] + b.box[2:])
    return float(np.prod(np.maximum(0, high - low)) / min(np.prod(a.box[2:]), np.prod(b.box[2:])))


@functools.cache
def _detector() -> cv2.FaceDetectorYN:
    # OpenCV 5 warns that it computes where it is told to.
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        return cv2.FaceDetectorYN.create(str(installed_file("yunet")), "", (1, 1), _LEAST_SCORE, _MOST_OVERLAP)
    finally:
        cv2.utils.logging.setLogLevel(before)

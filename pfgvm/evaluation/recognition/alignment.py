"""From photographs to CelebA's framing and back, and from there, by one fixed similarity, to a recogniser's input."""

import math

import cv2
import numpy as np
from skimage.transform import SimilarityTransform

from pfgvm.faces.geometry import CELEBA_POINTS, CELEBA_SIZE

# Eye centres, nose tip, mouth corners (x, y) in the 112 x 112 pixels of ArcFace's input (Deng et al. 2019).
ARCFACE_POINTS = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
_ARCFACE_SIZE = 112


def celeba_points(image_size: tuple[int, int]) -> np.ndarray:
    """Where the five points of an aligned face lie in CelebA's framing at `image_size` (height, width): (5, 2), x, y.

    Points count pixel centres from 0; images of two sizes share their edges.
    """
    growth = np.array([image_size[1] / CELEBA_SIZE[1], image_size[0] / CELEBA_SIZE[0]])
    return (np.array(CELEBA_POINTS) + 0.5) * growth - 0.5


def arcface_points(input_size: tuple[int, int]) -> np.ndarray:
    """Where ArcFace's five points lie in an input of `input_size` (height, width): (5, 2), x, y.

    The template is scaled with the shorter side and keeps to the middle.
    """
    height, width = input_size
    scale = min(height, width) / _ARCFACE_SIZE
    middle = np.array([width - scale * _ARCFACE_SIZE, height - scale * _ARCFACE_SIZE]) / 2
    return (np.array(ARCFACE_POINTS) + 0.5) * scale - 0.5 + middle


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The 2 x 3 matrix of the similarity that takes the points `source`, (n, 2), nearest to `target`: least squares."""
    return SimilarityTransform.from_estimate(source, target).params[:2]


def chips(images: np.ndarray, input_size: tuple[int, int]) -> np.ndarray:
    """Faces in CelebA's framing as a recogniser takes them: float32, (n, h, w, 3), in the values' own range.

    images: float32, (n, 3, H, W). input_size: h, w. Sampled bilinearly; of larger images, several samples a pixel are
    averaged.
    """
    image_size = images.shape[2:]
    found = similarity(celeba_points((image_size[0], image_size[1])), arcface_points(input_size))
    # Pixels of the image under one pixel of the chip, along a side.
    under = 1 / math.hypot(found[0, 0], found[1, 0])
    fine = max(1, math.ceil(under))
    larger = (input_size[0] * fine, input_size[1] * fine)
    matrix = found * fine
    # Of two sizes the edges agree, not the pixels' centres.
    matrix[:, 2] += (fine - 1) / 2
    warped = [_warped(image.transpose(1, 2, 0), matrix, larger) for image in images]
    if fine > 1:
        height, width = input_size
        warped = [cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in warped]
    return np.stack(warped)


def _warped(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    return cv2.warpAffine(
        np.ascontiguousarray(image), matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def inverse(matrix: np.ndarray) -> np.ndarray:
    """The 2 x 3 matrix of the way back."""
    return cv2.invertAffineTransform(matrix)


def of_part(matrix: np.ndarray, left: float, top: float) -> np.ndarray:
    """`matrix`, 2 x 3, for the points of that part of its image which begins at (left, top)."""
    return matrix @ np.array([[1, 0, left], [0, 1, top], [0, 0, 1]])


def pixels_under(matrix: np.ndarray) -> float:
    """Pixels of an image under one of what the similarity `matrix` makes of it, along a side."""
    return 1 / math.hypot(matrix[0, 0], matrix[1, 0])


def warped(
    image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: int = cv2.BORDER_REPLICATE
) -> np.ndarray:
    """What the similarity `matrix` makes of a `image`, (h, w, c), of any size and type: float32, (H, W, c).

    matrix: 2 x 3, from points (x, y) of the image to points of the result. size: H, W. Values stay in the image's
    own range but for the overshoot of cubic interpolation; where several pixels of the image fall on one, it is their
    mean. border: OpenCV's name of what lies outside the image; unless told otherwise, its outermost pixels go on.
    """
    # The whole as float32 would take four times the image's memory, and OpenCV warps none wider than 32,767 pixels.
    rows, columns = part_seen(image.shape, matrix, size)
    part = image[rows, columns].astype(np.float32, copy=False)
    part, matrix = _shrunk(part, of_part(matrix, columns.start, rows.start))
    height, width = size
    moved = cv2.warpAffine(part, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=border)
    # OpenCV drops the axis of a single channel.
    return moved.reshape(height, width, -1)


def part_seen(shape: tuple[int, ...], matrix: np.ndarray, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of an image of `shape` (height, width, …) on which `warped` by `matrix` to `size` hangs."""
    height, width = shape[:2]
    corners = np.array([[x, y, 1] for x in (0, size[1] - 1) for y in (0, size[0] - 1)]) @ inverse(matrix).T
    margin = 3 + 2 * pixels_under(matrix)
    left, top = np.clip(np.floor(corners.min(axis=0) - margin), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0) + margin), (left + 1, top + 1), (width, height)).astype(int)
    return slice(top, bottom), slice(left, right)


def _shrunk(image: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The `image` at about the size at which `matrix` shows it, where that is smaller, and the matrix from there."""
    height, width = image.shape[:2]
    under = pixels_under(matrix)
    small = (max(1, round(width / under)), max(1, round(height / under)))
    if under <= 1:
        return image, matrix
    growth_x, growth_y = width / small[0], height / small[1]
    # Of two sizes the edges agree, not the pixels' centres.
    grown = np.array([[growth_x, 0, (growth_x - 1) / 2], [0, growth_y, (growth_y - 1) / 2], [0, 0, 1]])
    return cv2.resize(image, small, interpolation=cv2.INTER_AREA), matrix @ grown

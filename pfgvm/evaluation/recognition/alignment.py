"""Alignment: from photos to CelebA's framing and back, and from there to a recogniser's input."""

import math

import cv2
import numpy as np
from skimage.transform import SimilarityTransform

from pfgvm.faces.geometry import ARCFACE_POINTS, ARCFACE_SIZE, CELEBA_POINTS, CELEBA_SIZE


def celeba_points(image_size: tuple[int, int]) -> np.ndarray:
    """Five landmarks of an aligned face in CelebA's framing at `image_size` (height, width): (5, 2), x, y.

    Coordinates count pixel centres from 0; images of different sizes share their edges.
    """
    growth = np.array([image_size[1] / CELEBA_SIZE[1], image_size[0] / CELEBA_SIZE[0]])
    return (np.array(CELEBA_POINTS) + 0.5) * growth - 0.5


def arcface_points(input_size: tuple[int, int]) -> np.ndarray:
    """ArcFace's five landmarks in an input of `input_size` (height, width): (5, 2), x, y.

    The template is scaled with the shorter side and centred.
    """
    height, width = input_size
    scale = min(height, width) / ARCFACE_SIZE
    middle = np.array([width - scale * ARCFACE_SIZE, height - scale * ARCFACE_SIZE]) / 2
    return (np.array(ARCFACE_POINTS) + 0.5) * scale - 0.5 + middle


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """2 x 3 matrix of the least-squares similarity from the points `source`, (n, 2), to `target`."""
    return SimilarityTransform.from_estimate(source, target).params[:2]


def chips(images: np.ndarray, input_size: tuple[int, int]) -> np.ndarray:
    """Faces in CelebA's framing, warped to a recogniser's input: float32, (n, h, w, 3), in the same value range.

    images: float32, (n, 3, H, W). input_size: h, w. Sampled bilinearly; for larger images, several samples per pixel
    are averaged.
    """
    image_size = images.shape[2:]
    transform = similarity(celeba_points((image_size[0], image_size[1])), arcface_points(input_size))
    # Image pixels per chip pixel, along a side.
    under = 1 / math.hypot(transform[0, 0], transform[1, 0])
    fine = max(1, math.ceil(under))
    larger = (input_size[0] * fine, input_size[1] * fine)
    matrix = transform * fine
    # Images of different sizes share their edges, not their pixel centres.
    matrix[:, 2] += (fine - 1) / 2
    chip_list = [_warped(image.transpose(1, 2, 0), matrix, larger) for image in images]
    if fine > 1:
        height, width = input_size
        chip_list = [cv2.resize(chip, (width, height), interpolation=cv2.INTER_AREA) for chip in chip_list]
    return np.stack(chip_list)


def _warped(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    return cv2.warpAffine(
        np.ascontiguousarray(image), matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def inverse(matrix: np.ndarray) -> np.ndarray:
    """2 x 3 matrix of the inverse transform."""
    return cv2.invertAffineTransform(matrix)


def of_part(matrix: np.ndarray, left: float, top: float) -> np.ndarray:
    """`matrix`, 2 x 3, for coordinates in the crop of the image that begins at (left, top)."""
    return matrix @ np.array([[1, 0, left], [0, 1, top], [0, 0, 1]])


def pixels_under(matrix: np.ndarray) -> float:
    """Image pixels per pixel of the result of the similarity `matrix`, along a side."""
    return 1 / math.hypot(matrix[0, 0], matrix[1, 0])


def warped(
    image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: int = cv2.BORDER_REPLICATE
) -> np.ndarray:
    """Warp an `image`, (h, w, c), of any size and type by the similarity `matrix`: float32, (H, W, c).

    matrix: 2 x 3, from points (x, y) of the image to points of the result. size: H, W. Values remain in the image's
    range except for the overshoot of cubic interpolation; several image pixels under one pixel are averaged.
    border: OpenCV's border mode; by default border pixels are replicated.
    """
    # Cropped, since float32 takes four times the memory, and OpenCV's limit is a width of 32,767 pixels.
    rows, columns = part_seen(image.shape, matrix, size)
    part = image[rows, columns].astype(np.float32, copy=False)
    part, matrix = _shrunk(part, of_part(matrix, columns.start, rows.start))
    height, width = size
    result = cv2.warpAffine(part, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=border)
    # OpenCV drops the axis of a single channel.
    return result.reshape(height, width, -1)


def part_seen(shape: tuple[int, ...], matrix: np.ndarray, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of an image of `shape` (height, width, …) that `warped` by `matrix` to `size` depends on."""
    height, width = shape[:2]
    corners = np.array([[x, y, 1] for x in (0, size[1] - 1) for y in (0, size[0] - 1)]) @ inverse(matrix).T
    margin = 3 + 2 * pixels_under(matrix)
    left, top = np.clip(np.floor(corners.min(axis=0) - margin), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0) + margin), (left + 1, top + 1), (width, height)).astype(int)
    return slice(top, bottom), slice(left, right)


def _shrunk(image: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`image` reduced to about the scale of `matrix`, if that is smaller, and the matrix for the reduced image."""
    height, width = image.shape[:2]
    under = pixels_under(matrix)
    small = (max(1, round(width / under)), max(1, round(height / under)))
    if under <= 1:
        return image, matrix
    growth_x, growth_y = width / small[0], height / small[1]
    # Images of different sizes share their edges, not their pixel centres.
    grown = np.array([[growth_x, 0, (growth_x - 1) / 2], [0, growth_y, (growth_y - 1) / 2], [0, 0, 1]])
    return cv2.resize(image, small, interpolation=cv2.INTER_AREA), matrix @ grown

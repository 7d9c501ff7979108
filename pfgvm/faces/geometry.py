"""Landmarks and region of aligned faces: CelebA's framing, which all faces of the pipeline share, and ArcFace's."""

# Eye centres, nose tip, mouth corners (x, y): means over CelebA's aligned images, in pixels.
CELEBA_POINTS = ((69.5, 111.0), (107.5, 111.0), (88.0, 135.0), (72.0, 152.0), (105.5, 152.0))
# Height, width of CelebA's aligned images.
CELEBA_SIZE = (218, 178)
# The same landmarks in ArcFace's input of 112 x 112 pixels (Deng et al. 2019).
ARCFACE_POINTS = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
ARCFACE_SIZE = 112
# Aligned face from brows to chin and cheek to cheek, in rows and columns of CelebA's images.
_FACE_ROWS, _FACE_COLUMNS = (60, 180), (35, 143)


def face_region(image_size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the face in CelebA's framing at `image_size` (height, width)."""
    return (
        _scaled(_FACE_ROWS, image_size[0] / CELEBA_SIZE[0]),
        _scaled(_FACE_COLUMNS, image_size[1] / CELEBA_SIZE[1]),
    )


def _scaled(ends: tuple[int, int], growth: float) -> slice:
    return slice(round(ends[0] * growth), round(ends[1] * growth))

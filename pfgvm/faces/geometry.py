"""Landmarks of aligned faces in CelebA's framing, which all faces of the pipeline share."""

# Eye centres, nose tip, mouth corners (x, y): means over CelebA's aligned images, in pixels.
CELEBA_POINTS = ((69.5, 111.0), (107.5, 111.0), (88.0, 135.0), (72.0, 152.0), (105.5, 152.0))
# Height, width of CelebA's aligned images.
CELEBA_SIZE = (218, 178)

"""The paper's Table 3 as numbers that ours are compared with."""

import math
from collections.abc import Mapping

# The tolerance of a cell of Table 3, and the unit of a reading's distance from the paper.
NEAR = {"l2": 0.5, "mssim_legacy": 0.005, "mr": 0.015}
_PRINTED = {"l2": "l2", "mssim_legacy": "si", "mr": "mr"}


def published_cells(paper: Mapping, model: str, method: str) -> dict[str, float]:
    """The published values of `method` on `model` ("A", "B"), by our names; MR in [0, 1].

    paper: as in reports/paper.yaml.
    """
    row = paper["table3"][model][method]
    return {name: row[printed] for name, printed in _PRINTED.items()}


def l2_growth(paper: Mapping, image_size: tuple[int, int]) -> float:
    """The factor that scales L2 on images of `image_size` (height, width) to the paper's image size.

    The root of the ratio of the numbers of pixels: exact for equal perturbations of every pixel.
    """
    published = paper["table4"]["A"]
    return math.sqrt(published["image_height"] * published["image_width"] / math.prod(image_size))

"""LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018)."""

import hashlib
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from pfgvm.errors import InputError
from pfgvm.evaluation.quality.quality_metrics import LPIPS, ImagePair, QualityMetric

_REMEDY = "set evaluation.lpips to torchvision's AlexNet weights, alexnet-owt-7be5be79.pth (docs/data.md)"


def lpips_metric(weights: Path) -> QualityMetric:
    """LPIPS, version 0.1, with AlexNet's weights in the file `weights`: 0 for equal images, else larger.

    weights: torchvision's file, keys features.0.weight … features.10.bias. A hash at the end of its name, as in
    torch.hub, is compared with the content. Raises InputError if it differs, and as `read_weights_file` does.
    """
    import lpips
    import torch

    from pfgvm.models.weights_file import read_weights_file

    _check_hash_in_name(weights)
    with warnings.catch_warnings():
        # The package uses a deprecated argument of torchvision.
        warnings.simplefilter("ignore", UserWarning)
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    # slice2.3.weight of the package is features.3.weight in torchvision.
    torchvision_name = {name: f"features.{name.partition('.')[2]}" for name in network.net.state_dict()}
    expected = {torchvision_name[name]: tensor for name, tensor in network.net.state_dict().items()}
    tensors = read_weights_file(weights, expected, _REMEDY)
    network.net.load_state_dict({name: tensors[torchvision_name[name]] for name in torchvision_name})

    @torch.no_grad()
    def function(pair: ImagePair) -> float:
        images = (pair.image, pair.original)
        values = [torch.from_numpy(pixels[None].astype(np.float32) / 127.5 - 1) for pixels in images]
        return network(*values).item()

    return replace(LPIPS, function=function)


def _check_hash_in_name(weights: Path) -> None:
    # Hexadecimal digits with at least one letter: eight decimal digits may be a date.
    name_hash = re.search(r"-(?=\d*[a-f])([0-9a-f]{8,})$", weights.stem)
    try:
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{weights}: cannot be read ({error.strerror}); {_REMEDY}") from None
    if name_hash and not digest.startswith(name_hash[1]):
        raise InputError(f"{weights}: is damaged, or not the file of its name (SHA-256 {digest}); {_REMEDY}")

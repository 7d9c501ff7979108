"""LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018)."""

import hashlib
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from pfgvm.errors import InputError
from pfgvm.evaluation.quality.quality_metrics import LPIPS, QualityMetric, check_pair

_REMEDY = "evaluation.lpips names torchvision's AlexNet weights, alexnet-owt-7be5be79.pth (docs/evaluation.md)"


def lpips_metric(weights: Path) -> QualityMetric:
    """LPIPS, version 0.1, on the AlexNet of the file `weights`: 0 for equal images, the larger the less alike.

    weights: torchvision's, keys features.0.weight … features.10.bias. A name that ends in a hash, as torch.hub's do,
    is held against the content. Raises InputError where it is another, and as `read_weights_file` does.
    """
    import lpips
    import torch

    from pfgvm.models.weights_file import read_weights_file

    _check_hash_in_name(weights)
    with warnings.catch_warnings():
        # The package tells torchvision that it wants no weights in the words of an older torchvision.
        warnings.simplefilter("ignore", UserWarning)
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    # slice2.3.weight of the package is features.3.weight of torchvision.
    theirs = {name: f"features.{name.partition('.')[2]}" for name in network.net.state_dict()}
    expected = {theirs[name]: tensor for name, tensor in network.net.state_dict().items()}
    found = read_weights_file(weights, expected, _REMEDY)
    network.net.load_state_dict({name: found[theirs[name]] for name in theirs})

    @torch.no_grad()
    def function(image: np.ndarray, original: np.ndarray) -> float:
        check_pair(image, original)
        values = [torch.from_numpy(each[None].astype(np.float32) / 127.5 - 1) for each in (image, original)]
        return network(*values).item()

    return replace(LPIPS, function=function)


def _check_hash_in_name(weights: Path) -> None:
    # Hexadecimal digits with a letter among them: eight decimal ones may be a date.
    said = re.search(r"-(?=\d*[a-f])([0-9a-f]{8,})$", weights.stem)
    try:
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{weights}: cannot be read ({error.strerror}); {_REMEDY}") from None
    if said and not digest.startswith(said[1]):
        raise InputError(f"{weights}: is damaged, or another file than its name says (SHA-256 {digest}); {_REMEDY}")

"""LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018)."""

import hashlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pfgvm.errors import InputError
from pfgvm.evaluation.quality.metrics import LPIPS, QualityMetric, check_pair

_REMEDY = "evaluation.lpips names torchvision's AlexNet weights, alexnet-owt-7be5be79.pth (docs/evaluation.md)"


def lpips_metric(weights: Path) -> QualityMetric:
    """LPIPS, version 0.1, on the AlexNet of the file `weights`: 0 for equal pictures, the larger the less alike.

    weights: torchvision's, keys features.0.weight … features.10.bias; what else it holds is passed over, and code is
    not run. A name that ends in a hash, as torch.hub's do, is held against the content. Raises InputError where the
    file is missing, is another, or lacks a convolution.
    """
    import lpips
    import torch

    content = _content(weights)
    with warnings.catch_warnings():
        # The package tells torchvision that it wants no weights in the words of an older torchvision.
        warnings.simplefilter("ignore", UserWarning)
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    # slice2.3.weight of the package is features.3.weight of torchvision.
    names = {name: f"features.{name.partition('.')[2]}" for name in network.net.state_dict()}
    if missing := [name for name in names.values() if name not in content]:
        raise InputError(f"{weights}: {missing[0]} is missing; {_REMEDY}")
    try:
        network.net.load_state_dict({name: content[theirs] for name, theirs in names.items()})
    except (RuntimeError, TypeError, AttributeError):
        raise InputError(f"{weights}: its convolutions are not AlexNet's; {_REMEDY}") from None

    @torch.no_grad()
    def function(picture: np.ndarray, original: np.ndarray) -> float:
        check_pair(picture, original)
        values = [torch.from_numpy(each[None].astype(np.float32) / 127.5 - 1) for each in (picture, original)]
        return network(*values).item()

    return replace(LPIPS, function=function)


def _content(weights: Path) -> Mapping[str, Any]:
    import torch

    try:
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{weights}: cannot be read ({error.strerror}); {_REMEDY}") from None
    said = re.search(r"-([0-9a-f]{8,})$", weights.stem)
    if said and not digest.startswith(said[1]):
        raise InputError(f"{weights}: is damaged, or another file than its name says (SHA-256 {digest}); {_REMEDY}")
    try:
        content = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception:  # a damaged or foreign file may fail anywhere in the unpickler
        problem = "is no plain PyTorch weights file, or holds code, which is not run"
        raise InputError(f"{weights}: {problem}; {_REMEDY}") from None
    if not isinstance(content, Mapping):
        raise InputError(f"{weights}: holds a {type(content).__name__}, not a mapping of weights; {_REMEDY}")
    return content

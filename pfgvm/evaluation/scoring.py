"""Scores of de-identified images: the model's predictions and all metrics."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from pfgvm.evaluation.metrics import METRICS
from pfgvm.faces.images import to_8bit
from pfgvm.models.batching import batches, padded

_COLUMNS = ["image", "person", "split", "model", "method", "pixels", "target", "predicted_clean", "predicted"]
_COLUMNS += ["l2", "linf", "mssim", "mssim_legacy", "confidence_clean", "confidence"]
# Other programs read the columns by position: new metrics come last.
SCORE_COLUMNS = [*_COLUMNS, *(metric.name for metric in METRICS if metric.name not in _COLUMNS)]


def score_images(
    network: nn.Module, images: np.ndarray, originals: np.ndarray, classes: list[str], batch_size: int
) -> pd.DataFrame:
    """Score de-identified images, as computed and quantised to 8 bits as when published.

    network: in eval mode, maps images in [0, 1] to logits; always called with `batch_size` images, since the last bits
    depend on the batch size. images, originals: (n, 3, H, W), float32 in [0, 1], n > 0. classes: identities in the
    order of the logits. Returns 2n rows: the images as computed (`float`), then as `8bit`, each in the given order.
    Columns: pixels, predicted_clean, predicted, their softmax probabilities confidence_clean and confidence in [0, 1],
    and one per metric of METRICS.
    """
    eight_bit = to_8bit(images).astype(np.float32) / np.float32(255)
    predicted_clean, confidence_clean = predictions(network, originals, classes, batch_size)
    tables = []
    for pixels, values in (("float", images), ("8bit", eight_bit)):
        predicted, confidence = predictions(network, values, classes, batch_size)
        columns: dict[str, Any] = {"pixels": pixels, "predicted_clean": predicted_clean, "predicted": predicted}
        columns |= {"confidence_clean": confidence_clean, "confidence": confidence}
        tables.append(pd.DataFrame(columns | _measured(values, originals, batch_size, _device(network))))
    return pd.concat(tables, ignore_index=True)


@torch.no_grad()
def predictions(
    network: nn.Module, images: np.ndarray, classes: list[str], batch_size: int
) -> tuple[list[str], list[float]]:
    """Predicted identities of `images` and their softmax probabilities; arguments as for `score_images`."""
    predicted: list[str] = []
    confidence: list[float] = []
    for batch in batches(len(images), batch_size):
        values = _tensor(images[batch])
        logits = network(padded(values, batch_size).to(_device(network)))[: len(values)]
        predicted += [classes[index] for index in logits.argmax(1).tolist()]
        confidence += logits.softmax(1).amax(1).tolist()
    return predicted, confidence


def predicted_persons(network: nn.Module, images: np.ndarray, classes: list[str], batch_size: int) -> list[str]:
    """Predicted identities of `images`; arguments as for `score_images`."""
    return predictions(network, images, classes, batch_size)[0]


def _measured(
    images: np.ndarray, originals: np.ndarray, batch_size: int, device: torch.device
) -> dict[str, np.ndarray]:
    values: dict[str, list[Tensor]] = {metric.name: [] for metric in METRICS}
    for batch in batches(len(images), batch_size):
        pair = _tensor(images[batch]).to(device), _tensor(originals[batch]).to(device)
        for metric in METRICS:
            values[metric.name].append(metric.function(*pair).cpu())
    return {name: torch.cat(parts).numpy() for name, parts in values.items()}


def _tensor(images: np.ndarray) -> Tensor:
    # A copy: the images may be memory-mapped from a read-only file.
    return torch.from_numpy(np.array(images))


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device

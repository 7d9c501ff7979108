"""Batches of one size, so that the result of an image does not depend on its position."""

from collections.abc import Iterator

import torch
from torch import Tensor


def batches(count: int, batch_size: int) -> Iterator[slice]:
    """Slices of 0 … count − 1 at multiples of `batch_size`; the last one may be shorter."""
    for start in range(0, count, batch_size):
        yield slice(start, min(start + batch_size, count))


def padded(values: Tensor, batch_size: int) -> Tensor:
    """`values`, (b, …), padded with copies of the last row to (batch_size, …).

    Convolutions sum in an order that depends on the batch size; at a fixed size, results do not depend on other rows.
    """
    missing = batch_size - len(values)
    return torch.cat([values, values[-1:].expand(missing, *values.shape[1:])]) if missing else values

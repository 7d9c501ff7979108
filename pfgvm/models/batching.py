"""Work cut into batches of one size, so that an image's result never depends on where it stands."""

from collections.abc import Iterator

import torch
from torch import Tensor


def batches(count: int, batch_size: int) -> Iterator[slice]:
    """Slices of 0 … count − 1 at the multiples of `batch_size`; the last may be short."""
    for start in range(0, count, batch_size):
        yield slice(start, min(start + batch_size, count))


def padded(values: Tensor, batch_size: int) -> Tensor:
    """`values`, (b, …), repeated from its end to `batch_size` rows: (batch_size, …).

    A convolution sums in another order at another batch size; at the same size its neighbours change nothing.
    """
    missing = batch_size - len(values)
    return torch.cat([values, values[-1:].expand(missing, *values.shape[1:])]) if missing else values

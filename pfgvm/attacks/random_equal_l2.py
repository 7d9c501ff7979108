"""The control: noise that is as large as an attack's perturbation, but knows no model."""

import torch
from torch import Tensor


def random_equal_l2(images: Tensor, noise: Tensor, l2: Tensor) -> Tensor:
    """Π[0,1](x + s·noise), with s for each image such that its perturbation has the given L2 norm after clipping.

    images: x, (B, 3, H, W) in [0, 1]. noise: its direction, such as Gaussian noise, (B, 3, H, W).
    l2: the norms to reach, (B,), each below what saturated pixels allow. Returns images like x. Not in the paper: it
    shows how much of a misclassification rate any perturbation of that size would reach.
    """
    x, noise = images.double(), noise.double()
    per_image = (-1, 1, 1, 1)
    low, high = torch.zeros_like(l2, dtype=torch.float64), 4 * l2.double() / noise.flatten(1).norm(dim=1)
    # The norm grows with s: halving the interval finds it to the last bits of a float32.
    for _ in range(60):
        middle = (low + high) / 2
        reached = ((x + middle.view(per_image) * noise).clamp(0, 1) - x).flatten(1).norm(dim=1)
        low, high = torch.where(reached < l2, middle, low), torch.where(reached < l2, high, middle)
    return (x + high.view(per_image) * noise).clamp(0, 1).to(images.dtype)

"""Small models and images for fast tests of attacks."""

import torch
from torch import Tensor, nn

from pfgvm.models import model_a, model_b

CLASSES = 5
IMAGE_SIZE = (64, 52)


def faces(count: int, image_size: tuple[int, int] = IMAGE_SIZE) -> Tensor:
    """Random images, (count, 3, H, W) in [0, 1]; no pixel depends on `count`."""
    generator = torch.Generator().manual_seed(0)
    return torch.stack([torch.rand(3, *image_size, generator=generator) for _ in range(count)])


def classes(count: int) -> Tensor:
    """The classes 0, 1, 2 … in turn, (count,)."""
    return torch.arange(count) % CLASSES


def small_a() -> nn.Sequential:
    """Model A as if trained, in evaluation mode, with random statistics of its batch normalisations."""
    return _as_if_trained(model_a, CLASSES, IMAGE_SIZE)


def small_b() -> nn.Sequential:
    """Model B (dlib), as `small_a`."""
    return _as_if_trained(model_b, CLASSES, IMAGE_SIZE, "dlib")


def _as_if_trained(build, *arguments) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build(*arguments)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.weight.requires_grad:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.1)
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 1.5)
    return model.eval()

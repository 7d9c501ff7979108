"""What the attacks share: the gradient of the adversarial loss."""

import torch
from torch import Tensor, nn

from pfgvm.twins import Model


def loss_gradient(model: Model, images: Tensor, targets: Tensor) -> Tensor:
    """∇ₓℓ(x, ỹ): the gradient of each image's own cross-entropy against its target class.

    images: (B, 3, H, W) in [0, 1]; targets: (B,) class indices; returns (B, 3, H, W). The losses are summed, never
    averaged, so that an image's gradient does not shrink with the batch.
    """
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        loss = nn.functional.cross_entropy(model(images), targets, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, images)
    return gradient

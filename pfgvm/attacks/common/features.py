"""The gradient of how far an image's features have moved, on any face descriptors, which stay as they were."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from pfgvm.attacks.common.gradient import differentiate, eval_mode
from pfgvm.errors import InputError

# Images in [0, 1], (B, C, H, W), to features, (B, F).
FeatureExtractor = Callable[[Tensor], Tensor]
# Images to images of the same shape, differentiable.
View = Callable[[Tensor], Tensor]


@contextlib.contextmanager
def feature_gradient(
    descriptors: Sequence[FeatureExtractor], images: Tensor
) -> Iterator[Callable[[Tensor, View], Tensor]]:
    """∇ₓ̃ −Σ_φ ‖φ(T(x̃)) − φ(x)‖₂ / ‖φ(x)‖₂ of each image by itself, as a function of x̃ and the view T.

        with feature_gradient(descriptors, x) as gradient:
            x_adv = x_adv - α * gradient(x_adv, view)

    A descriptor's features count in lengths of its own, so that several weigh alike.

    descriptors: any callables φ from images in [0, 1], (B, C, H, W), to features, (B, F), on the images' device. A
    module is in eval mode inside the block and left as it was. images: x, (B, C, H, W).
    The function takes (B, C, H, W), returns the like without a graph. Raises InputError without descriptors, and for
    one that gives no features, features that are zero or no numbers, or does not depend differentiably on the images.
    """
    if not descriptors:
        raise InputError("descriptors: none; give one face descriptor or more")
    for descriptor in descriptors:
        if not callable(descriptor):
            raise InputError(
                f"descriptors must be callable, not {type(descriptor).__name__}; give modules or functions"
            )
    with contextlib.ExitStack() as stack:
        for descriptor in descriptors:
            stack.enter_context(eval_mode(descriptor))
        with torch.no_grad():
            # A copy, since a descriptor may work in place.
            of_clean = [_features(descriptor(images.clone()), images) for descriptor in descriptors]
            lengths = [_length(features) for features in of_clean]

        def gradient(x_adv: Tensor, view: View) -> Tensor:
            def loss_at(x: Tensor) -> Tensor:
                seen = view(x)
                moved = [
                    (_features(descriptor(seen.clone()), images) - clean).norm(dim=1) / length
                    for descriptor, clean, length in zip(descriptors, of_clean, lengths, strict=True)
                ]
                # Summed, never averaged, so that an image's gradient does not shrink with the batch.
                return -torch.stack([distance.sum() for distance in moved]).sum()

            return differentiate(loss_at, x_adv, "descriptors: their features")

        yield gradient


def _features(found: Any, images: Tensor) -> Tensor:
    if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != len(images) or not found.is_floating_point():
        kind = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise InputError(
            f"descriptors must give features, a floating-point tensor of shape (images, features), not {kind}; give a "
            "function that picks them, such as lambda images: network(images).flatten(1)"
        )
    return found.to(torch.promote_types(found.dtype, torch.float32))


def _length(features: Tensor) -> Tensor:
    lengths = features.norm(dim=1)
    if not (lengths > 0).all() or not lengths.isfinite().all():
        raise InputError(
            "descriptors: one gives features that are zero or no numbers for an image; check its weights and the range "
            "of its input"
        )
    return lengths

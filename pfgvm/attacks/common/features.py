"""Gradient of the feature distance on any face descriptors."""

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
    """Context manager that yields the gradient ∇ₓ̃ −Σ_φ ‖φ(T(x̃)) − φ(x)‖₂ / ‖φ(x)‖₂ as a function of x̃ and the view T.

        with feature_gradient(descriptors, x) as gradient:
            x_adv = x_adv - α * gradient(x_adv, view)

    Each distance is relative to the length of the clean features, so that all descriptors weigh alike. The gradient
    of an image does not depend on the other images.

    descriptors: callables φ from images (B, C, H, W) in [0, 1] to features (B, F), on the images' device. Modules run
    in eval mode inside the block and are restored afterwards. images: x, (B, C, H, W).
    The yielded function maps (B, C, H, W) to a detached gradient of the same shape. Raises InputError if there is no
    descriptor, or if one returns no features, features that are zero or not finite, or features that do not depend
    differentiably on the images.
    """
    if not descriptors:
        raise InputError("descriptors must not be empty; give at least one face descriptor")
    for descriptor in descriptors:
        if not callable(descriptor):
            raise InputError(
                f"descriptors must be callable, not {type(descriptor).__name__}; give modules or functions"
            )
    with contextlib.ExitStack() as stack:
        for descriptor in descriptors:
            stack.enter_context(eval_mode(descriptor))
        with torch.no_grad():
            # A copy: a descriptor may work in place.
            clean_features = [_features(descriptor(images.clone()), images) for descriptor in descriptors]
            lengths = [_length(features) for features in clean_features]

        def gradient(x_adv: Tensor, view: View) -> Tensor:
            def loss_at(x: Tensor) -> Tensor:
                viewed = view(x)
                distances = [
                    (_features(descriptor(viewed.clone()), images) - clean).norm(dim=1) / length
                    for descriptor, clean, length in zip(descriptors, clean_features, lengths, strict=True)
                ]
                # Summed over images: a mean would scale each gradient by the batch size.
                return -torch.stack([distance.sum() for distance in distances]).sum()

            return differentiate(loss_at, x_adv, "descriptors: their features")

        yield gradient


def _features(output: Any, images: Tensor) -> Tensor:
    if (
        not isinstance(output, Tensor)
        or output.dim() != 2
        or len(output) != len(images)
        or not output.is_floating_point()
    ):
        kind = (
            f"a tensor of shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
        )
        raise InputError(
            f"descriptors must return features, a floating-point tensor of shape (images, features), not {kind}; give "
            "a function that selects them, such as lambda images: network(images).flatten(1)"
        )
    return output.to(torch.promote_types(output.dtype, torch.float32))


def _length(features: Tensor) -> Tensor:
    lengths = features.norm(dim=1)
    if not (lengths > 0).all() or not lengths.isfinite().all():
        raise InputError(
            "descriptors must return features that are finite and not zero; check the weights and the input range"
        )
    return lengths

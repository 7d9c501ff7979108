"""Gradient of the feature distance on any face descriptors."""

import contextlib
import functools
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
) -> Iterator[Callable[[Tensor, Sequence[View]], Tensor]]:
    """Context manager that yields the gradient Σ_φ g_φ / mean|g_φ| of feature distances as a function of x̃ and views T.

        g_φ = Σ_T ∇ₓ̃ −‖φ(T(x̃)) − φ(x)‖₂

        with feature_gradient(descriptors, x) as gradient:
            x_adv = x_adv - α * gradient(x_adv, views)

    The mean is over the values of one image's gradient, so that all descriptors weigh alike: in a plain sum, the
    descriptor with the steepest features dominates. The gradient of an image does not depend on the other images.

    descriptors: callables φ from images (B, C, H, W) in [0, 1] to features (B, F), on the images' device. Modules run
    in eval mode inside the block and are restored afterwards. images: x, (B, C, H, W).
    The yielded function maps (B, C, H, W) to a detached gradient of the same shape. The graphs of descriptors and views
    are in memory one at a time. Raises InputError if there is no descriptor, or if one returns no features, features
    that are zero or not finite, or features that do not depend differentiably on the images.
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
            clean_features = [_clean_features(descriptor(images.clone()), images) for descriptor in descriptors]

        def gradient(x_adv: Tensor, views: Sequence[View]) -> Tensor:
            of_descriptors = [
                unit_mean(_gradient(descriptor, clean, x_adv, views))
                for descriptor, clean in zip(descriptors, clean_features, strict=True)
            ]
            return torch.stack(of_descriptors).sum(dim=0)

        yield gradient


def _gradient(descriptor: FeatureExtractor, clean: Tensor, x_adv: Tensor, views: Sequence[View]) -> Tensor:
    """g_φ of `feature_gradient` for one descriptor φ with the features `clean` of x."""

    def loss_at(x: Tensor, view: View) -> Tensor:
        distances = (_features(descriptor(view(x).clone()), x) - clean).norm(dim=1)
        # Summed over images: a mean would scale each gradient by the batch size.
        return -distances.sum()

    gradients = [
        differentiate(functools.partial(loss_at, view=view), x_adv, "descriptors: their features") for view in views
    ]
    return torch.stack(gradients).sum(dim=0)


def unit_mean(gradient: Tensor) -> Tensor:
    """Divide `gradient`, (B, C, H, W), by each image's mean absolute value; a zero gradient remains zero."""
    smallest = torch.finfo(gradient.dtype).tiny
    return gradient / gradient.abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=smallest)


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


def _clean_features(output: Any, images: Tensor) -> Tensor:
    features = _features(output, images)
    if not features.isfinite().all() or not features.any(dim=1).all():
        raise InputError(
            "descriptors must return features that are finite and not zero; check the weights and the input range"
        )
    return features

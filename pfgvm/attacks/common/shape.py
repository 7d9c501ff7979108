"""P-FGVM on the shape, the light and the pixels of a face at once. Not in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.attacks.common.arguments import checked_images, checked_names, count, non_negative, positive, share
from pfgvm.attacks.common.context import Context, ShapeAndLight
from pfgvm.attacks.common.features import FeatureExtractor, feature_gradient
from pfgvm.attacks.common.smooth_fields import INJECTIVE, SmoothField, displaced, shaded
from pfgvm.attacks.common.views import Views
from pfgvm.attacks.common.visual_weights import masking_weights, reduced_chroma, smoothness_weights
from pfgvm.faces.geometry import CELEBA_SIZE, face_region

if TYPE_CHECKING:
    from pfgvm.settings import PFGVMShape, ShapeSizes

# Cells along height and width: about 12 pixels of a 218 x 178 image for the displacement, 8 for the shading. With cells
# of 16 pixels, a displacement of equal size protects less.
_CELLS_OF_SHAPE, _CELLS_OF_LIGHT = (18, 15), (28, 23)
# Mean size of the random start, relative to that of a normalised gradient.
_START = 0.05


class ShapeLightPixels:
    """The three parts of a perturbation, for `images` (B, C, H, W) in CelebA's framing, and their sizes.

    Each part is a direction, whose scale is free, and a size: its mean over the face (`face_region`).
    displacement: mean length in pixels of a 218 x 178 image. shading: mean change of mid-grey, in per cent.
    pixels: mean change of a pixel, in per cent of the range. A size of 0 leaves the part out.
    """

    def __init__(self, images: Tensor, *, displacement: float, shading: float, pixels: float) -> None:
        self.images = images
        size = (images.shape[2], images.shape[3])
        self._face = face_region(size)
        self._shape, self._light = SmoothField(size, _CELLS_OF_SHAPE), SmoothField(size, _CELLS_OF_LIGHT)
        in_pixels = displacement * size[0] / CELEBA_SIZE[0]
        self._sizes = in_pixels, shading / 100, pixels / 100
        # x is limited by the width of a cell, y by its height.
        self._limit = INJECTIVE * torch.tensor(self._shape.spacing[::-1]).view(1, 2, 1, 1).to(images)
        still = smoothness_weights(images, self._shape)
        self._weights = (still * self._shape.inner().to(images), self._light.inner().to(images), images.new_ones(1))

    def random(self, names: Sequence[str], seed: int, purpose: str) -> tuple[Tensor, Tensor, Tensor]:
        """Random directions u, s, δ of mean size 1, drawn by (seed, purpose, name)."""
        shapes = (2, *self._shape.shape), (1, *self._light.shape), tuple(self.images.shape[1:])
        draws = [
            np.array([seeding.rng(seed, purpose, part, name).standard_normal(shape) for name in names])
            for part, shape in zip(("shape", "light", "pixels"), shapes, strict=True)
        ]
        return self.normalised(*(torch.from_numpy(values).to(self.images) for values in draws))

    def normalised(self, u: Tensor, s: Tensor, δ: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """u, s, δ, weighted at each control point, u made symmetric, and scaled to a mean size of 1 on the face."""
        directions = [part * weight for part, weight in zip((u, s, δ), self._weights, strict=True)]
        directions[0] = _symmetric(directions[0])
        fields = self._shape(directions[0]), self._light(directions[1]), directions[2]
        u, s, δ = (part / self._mean(values) for part, values in zip(directions, fields, strict=True))
        return u, s, δ

    def _mean(self, field: Tensor) -> Tensor:
        """Mean of |field| over the face, (B, 1, 1, 1); of two channels x and y their length, of others the values."""
        rows, columns = self._face
        on_face = field[:, :, rows, columns]
        lengths = on_face.norm(dim=1, keepdim=True) if field.shape[1] == 2 else on_face.abs()
        smallest = torch.finfo(field.dtype).tiny
        return lengths.mean(dim=(1, 2, 3), keepdim=True).clamp(min=smallest)

    def fields(self, u: Tensor, s: Tensor, δ: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The parts at their sizes: displacement (B, 2, H, W), shading (B, 1, H, W), pixels (B, C, H, W).

        The displacement never folds: its control points stay below the limit of `INJECTIVE`, which reduces its mean
        where single points exceed it.
        """
        of_shape, of_light, of_pixels = self._sizes
        points = of_shape * u / self._mean(self._shape(u))
        points = torch.maximum(torch.minimum(points, self._limit), -self._limit)
        shading = self._light(s)
        return self._shape(points), of_light * shading / self._mean(shading), of_pixels * δ / self._mean(δ)

    def render(self, displacement: Tensor, shading: Tensor, pixels: Tensor) -> Tensor:
        """x̃ = Π[0,1]( v + 2 S ⊙ v ⊙ (1 − v) + δ ) with v = W(x), (B, C, H, W)."""
        return (shaded(displaced(self.images, displacement), shading) + pixels).clamp(0, 1)

    def pulled_back(self, gradient: Tensor, fields: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Gradient with respect to the control points of shape and light, from that with respect to x̃.

        Without the limit at 0 and 1 and the scale to the sizes: the first would discard what saturated pixels say, the
        second is undone by `normalised`.
        """
        with torch.enable_grad():
            displacement, shading = (field.detach().requires_grad_() for field in fields[:2])
            image = shaded(displaced(self.images, displacement), shading)
            of_displacement, of_shading = torch.autograd.grad((image * gradient).sum(), (displacement, shading))
        return self._shape.adjoint(of_displacement), self._light.adjoint(of_shading)


def _symmetric(points: Tensor) -> Tensor:
    """Mean of a displacement, (B, 2, rows, columns), and its mirror image, since people notice a skewed face first."""
    mirrored = points.flip(3)
    return (points + torch.stack([-mirrored[:, 0], mirrored[:, 1]], dim=1)) / 2


def p_fgvm_shape(
    descriptors: Sequence[FeatureExtractor],
    images: Tensor,
    names: Sequence[str],
    *,
    displacement: float,
    shading: float,
    pixels: float,
    step_size: float,
    iterations: int,
    penalty: float,
    views: int,
    scale: float,
    shift: float,
    mirror: bool,
    masking: float,
    chroma: float,
    seed: int,
) -> tuple[Tensor, ShapeAndLight]:
    """P-FGVM with the loss of P-FGVM (features), on a displacement u, a shading s and a perturbation δ of the pixels:

        x̃ = Π[0,1]( v + 2 S ⊙ v ⊙ (1 − v) + δ ),  v = W(x)
        zᵢ₊₁ = zᵢ − α ( ĝ_z + λ zᵢ ),  ĝ_z = g_z / mean|g_z|,  z ∈ {u, s, δ}

    W displaces the pixels by the field of u and S is the field of s, both cubic B-splines (`SmoothField`); g_u and g_s
    are the gradients of the loss with respect to their control points. The shading leaves black and white unchanged
    (`shaded`). g_δ is weighted by visual masking and reduced in chroma, g_u is weighted by `smoothness_weights` and
    made symmetric about the vertical axis. Each part is scaled to its size before x̃ is computed, so that gradients do
    not change the size. The displacement is zero at the border and never folds.

    descriptors: callables φ from images (B, C, H, W) in [0, 1] to features (B, F); modules run in eval mode and are
    restored afterwards. images: x, (B, C, H, W) in [0, 1], faces in CelebA's framing. names: B image names; all draws
    depend on (seed, name).
    displacement: mean length on the face, in pixels of a 218 x 178 image. shading: mean |S| on the face, the relative
    change of mid-grey, in per cent. pixels: mean |δ| on the face, in per cent of the range. All are ≥ 0; 0 leaves the
    part out.
    step_size, iterations, penalty, views, scale, shift, mirror, masking, chroma, seed: as for `p_fgvm_features`.
    Returns x̃_N, like `images`, and its displacement and shading. Raises InputError for invalid arguments.
    """
    α, λ, γ = positive("step_size", step_size), non_negative("penalty", penalty), non_negative("masking", masking)
    iterations, chroma = count("iterations", iterations), share("chroma", chroma)
    sizes = {"displacement": displacement, "shading": shading, "pixels": pixels}
    sizes = {name: non_negative(name, size) for name, size in sizes.items()}
    random_views = Views(views, scale, shift, mirror)
    x = checked_images(images)
    checked_names(names, x)
    parts = ShapeLightPixels(x, **sizes)
    if not len(x):
        return x.clone(), ShapeAndLight(x.new_zeros(0, 2, *x.shape[2:]), x.new_zeros(0, 1, *x.shape[2:]))
    w = masking_weights(x) ** γ
    u, s, δ = (_START * part for part in parts.random(names, seed, "shape, start"))
    with feature_gradient(descriptors, x) as gradient:
        for step in range(iterations):
            fields = parts.fields(u, s, δ)
            g = gradient(parts.render(*fields), random_views.draw(names, seed, step))
            g_u, g_s = parts.pulled_back(g, fields)
            u_hat, s_hat, δ_hat = parts.normalised(g_u, g_s, w * reduced_chroma(g, chroma))
            u, s, δ = u - α * (u_hat + λ * u), s - α * (s_hat + λ * s), δ - α * (δ_hat + λ * δ)
    fields = parts.fields(u, s, δ)
    return parts.render(*fields), ShapeAndLight(*fields[:2])


def deidentify(context: Context, *, descriptors: Sequence[str], **parameters: Any) -> Tensor:
    """Apply `p_fgvm_shape` to the images of `context`, its sizes times the strength; sets the shape and light."""
    protected, context.shape_and_light = p_fgvm_shape(
        context.descriptors(descriptors), context.images, context.names, **at_strength(parameters, context.strength)
    )
    return protected


def at_strength(parameters: dict[str, Any], strength: float) -> dict[str, Any]:
    """`parameters` with the three sizes times `strength`."""
    return parameters | {name: strength * parameters[name] for name in ("displacement", "shading", "pixels")}


def parameters(settings: PFGVMShape, sizes: ShapeSizes, seed: int) -> dict[str, Any]:
    """Arguments of `deidentify` under the settings of the method, at `sizes`; JSON-serialisable."""
    return settings.model_dump(exclude={"natural", "strong"}) | sizes.model_dump() | {"seed": seed}

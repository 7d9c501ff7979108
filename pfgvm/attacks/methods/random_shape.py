"""Random control of P-FGVM (shape): random shape, light and pixels of its sizes, no network. Not in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from pfgvm.attacks.common.arguments import checked_images, checked_names, non_negative
from pfgvm.attacks.common.context import Context, ShapeAndLight
from pfgvm.attacks.common.shape import ShapeLightPixels

if TYPE_CHECKING:
    from pfgvm.settings import Attack

DISPLACES = True


def random_shape(
    images: Tensor, names: Sequence[str], *, displacement: float, shading: float, pixels: float, seed: int
) -> tuple[Tensor, ShapeAndLight]:
    """x̃ of `p_fgvm_shape` with random u, s and δ of the same sizes, drawn by (seed, name).

    Its recognition rates are the baseline of any perturbation of these sizes. Arguments, result and errors as for
    `p_fgvm_shape`.
    """
    x = checked_images(images)
    checked_names(names, x)
    sizes = {"displacement": displacement, "shading": shading, "pixels": pixels}
    parts = ShapeLightPixels(x, **{name: non_negative(name, size) for name, size in sizes.items()})
    fields = parts.fields(*parts.random(names, seed, "random shape"))
    return parts.render(*fields), ShapeAndLight(*fields[:2])


def deidentify(context: Context, **parameters: Any) -> Tensor:
    """Apply `random_shape` to the images of `context`; sets its shape and light."""
    protected, context.shape_and_light = random_shape(context.images, context.names, **parameters)
    return protected


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    return settings.p_fgvm_shape.natural.model_dump() | {"seed": settings.seed}

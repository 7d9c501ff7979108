"""P-FGVM (shape) at its strong sizes. Not in the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pfgvm.attacks.common import shape
from pfgvm.attacks.common.shape import deidentify as deidentify
from pfgvm.attacks.common.shape import p_fgvm_shape

if TYPE_CHECKING:
    from pfgvm.settings import Attack

DISPLACES = True
# The sizes are arguments of the function.
p_fgvm_shape_strong = p_fgvm_shape


def parameters(settings: Attack, model: str) -> dict[str, Any]:
    """Arguments of `deidentify` for `model`, A or B, from the settings section `attack`; JSON-serialisable."""
    return shape.parameters(settings.p_fgvm_shape, settings.p_fgvm_shape.strong, settings.seed)

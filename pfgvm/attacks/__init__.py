"""The paper's attacks (Sections 2 and 3), one a file of `methods`, and what they are compared with.

`from pfgvm.attacks import p_fgvm` gives the function `p_fgvm` of `methods/p_fgvm.py` and loads no other method.
"""

import importlib
import pkgutil
from collections.abc import Callable

from torch import Tensor

from pfgvm.attacks import methods


def __getattr__(name: str) -> Callable[..., Tensor]:
    """The method `name`, loaded when it is first asked for. Raises AttributeError for any other name."""
    if name not in _names():
        raise AttributeError(f"module {__name__!r} has no attack {name!r}; there are: {', '.join(_names())}")
    return getattr(importlib.import_module(f"{methods.__name__}.{name}"), name)


def __dir__() -> list[str]:
    """What the module holds, the methods among it, whether loaded or not."""
    return sorted({*globals(), *_names()})


def _names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(methods.__path__))

"""The paper's attacks (Sections 2 and 3) and the methods they are compared with, one per file in `methods`.

`from pfgvm.attacks import p_fgvm` imports the function `p_fgvm` of `methods/p_fgvm.py` and no other method.
"""

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

from pfgvm.attacks import methods


def __getattr__(name: str) -> Callable[..., Any]:
    """Import the method `name` on first access. Raises AttributeError for an unknown name."""
    if name not in _names():
        raise AttributeError(f"module {__name__!r} has no attack {name!r}; there are: {', '.join(_names())}")
    return getattr(importlib.import_module(f"{methods.__name__}.{name}"), name)


def __dir__() -> list[str]:
    """Names in the module, including all methods, imported or not."""
    return sorted({*globals(), *_names()})


def _names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(methods.__path__))

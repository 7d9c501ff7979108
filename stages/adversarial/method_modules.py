"""The code of the methods by key: one file each in pfgvm/attacks/methods."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from pfgvm.errors import InputError


def load_method(key: str) -> ModuleType:
    """pfgvm/attacks/methods/`key`.py, and no other's code: `parameters` gives the settings that `deidentify` takes.

    Raises InputError where there is none.
    """
    module = f"pfgvm.attacks.methods.{key}"
    if not key.isidentifier() or find_spec(module) is None:
        raise InputError(f"method {key!r}: there is no pfgvm/attacks/methods/{key}.py; correct the name, or write it")
    return import_module(module)

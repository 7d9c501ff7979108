"""The methods' modules by key: one file each in pfgvm/attacks/methods."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from pfgvm.errors import InputError


def load_method(key: str) -> ModuleType:
    """Import pfgvm/attacks/methods/`key`.py alone: `parameters` returns the keyword arguments of `deidentify`.

    Raises InputError for an unknown key.
    """
    module = f"pfgvm.attacks.methods.{key}"
    if not key.isidentifier() or find_spec(module) is None:
        raise InputError(f"method {key!r}: there is no pfgvm/attacks/methods/{key}.py; correct the name, or add it")
    return import_module(module)

"""The methods by name: one file each in pfgvm/attacks/methods."""

from importlib import import_module
from importlib.util import find_spec

from pfgvm.attacks.common.method import Method
from pfgvm.errors import InputError


def load_method(name: str) -> Method:
    """The METHOD of pfgvm/attacks/methods/`name`.py, and no other's code. Raises InputError where there is none."""
    module = f"pfgvm.attacks.methods.{name}"
    if not name.isidentifier() or find_spec(module) is None:
        raise InputError(f"method {name!r}: there is no pfgvm/attacks/methods/{name}.py; correct the name, or write it")
    return import_module(module).METHOD

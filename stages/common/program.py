"""The edge of every stage program: settings and options in, bad input out as one message."""

import argparse
import inspect
import sys
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pfgvm.errors import InputError
from pfgvm.settings import Settings, parse

SETTINGS = Path("params.yaml")


def read_settings() -> Settings:
    """The settings in params.yaml of the working directory. Raises InputError for whatever is wrong with them."""
    try:
        # A YAML 1.2 parser: to one of YAML 1.1, the 1e-06 that DVC writes is a string.
        values = YAML(typ="safe", pure=True).load(SETTINGS)
    except OSError as error:
        raise InputError(f"{SETTINGS}: cannot be read ({error.strerror}); run from the project's folder") from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(f"{SETTINGS}, line {line}: is not valid YAML ({error.problem}); correct it") from None
    except YAMLError:
        raise InputError(f"{SETTINGS}: is not a text file; restore the committed file") from None
    if not isinstance(values, dict):
        raise InputError(f"{SETTINGS}: holds no settings; restore the committed file")
    return parse(values, str(SETTINGS))


def run(main: Callable[..., None]) -> None:
    """Run a program: each parameter of `main` is an option of the same name, its type the annotation.

    One without a default is required. An InputError becomes its message on standard error and exit status 1.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    for parameter in inspect.signature(main).parameters.values():
        required = parameter.default is parameter.empty
        default = None if required else parameter.default
        parser.add_argument(f"--{parameter.name}", type=parameter.annotation, required=required, default=default)
    try:
        main(**vars(parser.parse_args()))
    except InputError as error:
        sys.exit(f"error: {error}")

"""Write settings into params.yaml, each value taken as it stands: python -m tools.set_parameters KEY=VALUE …

`dvc exp run -S` reads its values by a grammar in which blanks, commas, brackets and quotes mean something, which the
name of a folder may hold. Comments and order of the file stay.
"""

import io
import sys

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pfgvm.errors import InputError
from stages.common.files import atomic_write
from stages.common.program import SETTINGS


def main(assignments: list[str]) -> None:
    """Write each of `assignments` (dotted key=value) into params.yaml; all of them, or none.

    Where the file holds text, the value is text; elsewhere it is YAML, such as 30, null or [218, 178].
    Raises InputError for a key that is not there.
    """
    yaml = YAML()
    yaml.width = 4096  # no line is folded
    null = ("tag:yaml.org,2002:null", "null")  # not an empty place
    yaml.representer.add_representer(type(None), lambda representer, _: representer.represent_scalar(*null))
    values = yaml.load(SETTINGS)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        section, name = _find(values, key)
        if not equals:
            raise InputError(f"{assignment}: is no KEY=VALUE")
        section[name] = text if isinstance(section[name], str) else _value(key, text)
    with atomic_write(SETTINGS) as partial, open(partial, "w", encoding="utf-8") as file:
        yaml.dump(values, file)


def _find(values: dict, key: str) -> tuple[dict, str]:
    *sections, name = key.split(".")
    section = values
    for part in sections:
        section = section.get(part) if isinstance(section, dict) else None
    if not isinstance(section, dict) or name not in section:
        raise InputError(f"{key}: {SETTINGS} has no such setting")
    return section, name


def _value(key: str, text: str) -> object:
    try:
        return YAML().load(io.StringIO(text))
    except YAMLError:
        raise InputError(f"{key}: {text!r} is no value in YAML") from None


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")

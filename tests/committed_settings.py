"""The committed settings, with changes."""

from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from tests.project import ROOT


def changed(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Read params.yaml and apply `changes` (dotted key -> value)."""
    values = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    for key, value in changes.items():
        *sections, last = key.split(".")
        section = values
        for name in sections:
            section = section[name]
        section[last] = value
    return values

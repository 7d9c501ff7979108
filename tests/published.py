"""The paper's published values."""

from ruamel.yaml import YAML

from tests.project import ROOT

PAPER = YAML(typ="safe", pure=True).load(ROOT / "reports" / "paper.yaml")

"""What the paper prints."""

from ruamel.yaml import YAML

from tests.project import ROOT

PAPER = YAML(typ="safe", pure=True).load(ROOT / "reports" / "paper.yaml")

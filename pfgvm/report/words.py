"""Labels shared by tables, figures and page."""

from collections.abc import Mapping
from typing import Any

from pfgvm.models.descriptors import descriptor_label
from pfgvm.report.formatted_table import MISSING

DATASETS = {"synthetic": "synthetic faces", "celeba": "CelebA", "folder": "own folder"}
PIXEL_FORMATS = {"float": "float", "8bit": "8-bit"}
# An attack that fails on many images has a small L2 there, which is no measure of its cost.
NOT_COMPARABLE = "not comparable"

Row = Mapping[str, Any]


def descriptor_note(descriptors: Mapping[str, str]) -> str:
    """A sentence for captions that names Model B's descriptor; descriptors: name by model."""
    if "B" not in descriptors:
        return "Model A only."
    name = descriptor_name(descriptors["B"])
    return f"Model B uses {name}." if name == "VGG-Face" else f"Model B uses {name} (paper: VGG-Face)."


def descriptor_name(descriptor: str) -> str:
    """The descriptor's label in tables; a dash for `none`."""
    return MISSING if descriptor == "none" else descriptor_label(descriptor)


def model_name(model: str, descriptors: Mapping[str, str]) -> str:
    """A heading: "Model A", or "Model B (dlib)" for a model with a descriptor."""
    descriptor = descriptors.get(model, "none")
    return f"Model {model}" if descriptor == "none" else f"Model {model} ({descriptor_label(descriptor)})"

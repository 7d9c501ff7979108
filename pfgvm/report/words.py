"""The words that tables, figures and page share."""

from collections.abc import Mapping
from typing import Any

from pfgvm.models.descriptors import descriptor_label
from pfgvm.report.formatted_table import MISSING

DATASETS = {"synthetic": "synthetic faces", "celeba": "CelebA", "folder": "own folder"}
PIXEL_FORMATS = {"float": "float", "8bit": "8-bit"}
# An attack that fails on many images spares their pixels: its L2 is no measure of what its aim costs.
NOT_COMPARABLE = "not comparable"

Row = Mapping[str, Any]


def descriptor_note(descriptors: Mapping[str, str]) -> str:
    """One sentence, for captions, naming the descriptor that Model B stands on; descriptors: name by model."""
    if "B" not in descriptors:
        return "Model A alone."
    name = descriptor_name(descriptors["B"])
    return f"Model B on {name}." if name == "VGG-Face" else f"Model B on {name} (the paper: VGG-Face)."


def descriptor_name(descriptor: str) -> str:
    """The descriptor's label in tables; a dash for the `none` of a model without one."""
    return MISSING if descriptor == "none" else descriptor_label(descriptor)


def model_name(model: str, descriptors: Mapping[str, str]) -> str:
    """A heading: "Model A", or "Model B (dlib)" where a descriptor is part of the model."""
    descriptor = descriptors.get(model, "none")
    return f"Model {model}" if descriptor == "none" else f"Model {model} ({descriptor_label(descriptor)})"

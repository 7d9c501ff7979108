"""Labels shared by tables, figures and page."""

from collections.abc import Mapping
from typing import Any

from pfgvm.models.descriptors import descriptor_label
from pfgvm.report.formatted_table import MISSING

DATASETS = {"synthetic": "synthetic faces", "celeba": "CelebA", "folder": "own folder"}
PIXEL_FORMATS = {"float": "float", "8bit": "8-bit"}
# An attack that fails on many images has a small L2 there, which is no measure of its cost.
NOT_COMPARABLE = "not comparable"
# The terms of both pages.
GLOSSARY = {
    "MR": "Misclassification rate: the share of images that the target model misclassifies.",
    "L2": "L2 norm of the perturbation over all pixels and colour channels, for pixels in [0, 1].",
    "SI": "Similarity of clean and protected images: mean MSSIM, legacy protocol; 1 for equal images.",
    "MSSIM": "Mean structural similarity after Wang et al. (2004): Gaussian window (σ 1.5), data range 1. The legacy "
    "protocol has a 7 x 7 uniform window and data range 2.",
    "FLIP": "Visible difference of two images (Andersson et al., 2020), from 0 (none) to 1. It depends on the viewing "
    "angle: far, 67 pixels per degree; close, a face 10 degrees wide.",
    "Displacement": "Distance by which a method moves the pixels of the face, at 178 x 218 pixels; 0 for most methods.",
    "TMR": "True-match rate: the share of image pairs of one identity that a recogniser matches.",
    "FMR": "False-match rate: the share of image pairs of different identities that match. It sets the threshold.",
    "Rank-1": "The share of images whose identity comes first among all enrolled identities.",
    "White-box": "The method uses this recogniser; all others are black-box.",
    "P-FGVM": "The paper's method: gradient descent towards another identity, with a penalty on the perturbation.",
    "I-FGVM, I-FGSM": "Its baselines: gradient steps and sign steps, clipped to a box of half-width ε.",
}

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

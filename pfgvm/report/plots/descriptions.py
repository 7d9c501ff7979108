"""The plots of both reports, SVG files: what each is called, how it is read, and which tables are behind it."""

from collections.abc import Mapping
from typing import NamedTuple


class Plot(NamedTuple):
    """A plot: its title, a caption that says how to read it, and the CSV files of the report that it is drawn from."""

    title: str
    caption: str
    sources: tuple[str, ...]


# Of both pages, by name of the file without its end.
EVALUATION_PLOTS: Mapping[str, Plot] = {
    "recognition": Plot(
        "Do recognisers still find the person?",
        "A recogniser in each panel: the share of true matches, at the highest false-match rate measured, between a "
        "protected picture and other clean ones of the same person, with 95 % intervals by bootstrap over persons. The "
        "upright stroke is what the recogniser finds on the same pictures unprotected. A method protects as far as its "
        "marker lies to the left of the stroke, and of random noise of equal L2. Dashed, “seen”: the method had "
        "that recogniser before it, so it says nothing of others.",
        ("recognition.csv",),
    ),
    "visibility": Plot(
        "What is found against how much is seen",
        "True matches, which recognisers still find, over what is seen of the protection: the MSSIM (left) and the "
        "FLIP (right) of the face, each method at several strengths, with 95 % intervals (thin). The large marker is "
        "the strength of the settings; dashed: the method had that recogniser before it. Further left, less is seen; "
        "further down, less is found: better is to the lower left.",
        ("visibility.csv",),
    ),
    "robustness": Plot(
        "Robustness to post-processing",
        "Misclassification rate (MR) of the model that the images were made on, after JPEG, resizing and other "
        "post-processing, with 95 % intervals (Wilson). Within a transform the methods stand in the order of the "
        "legend. “Clean” is the model's error on unprotected images after the same transform: a method protects as far "
        "as its marker lies above it.",
        ("robustness.csv",),
    ),
    "curves": Plot(
        "What each method costs against what it reaches",
        "Misclassification rate (MR) over mean L2 (left) and over SI (right), at several values of λ (P-FGVM) and ε "
        "(I-FGVM, I-FGSM), on the same images, with 95 % intervals of MR (thin). The large marker is the value of the "
        "settings. It and the ends of a line are labelled, by the method's marker and the value, where there is room. "
        "Better is to the upper left, and to the upper right.",
        ("curves.csv",),
    ),
    "recognised_persons": Plot(
        "Recognition by identity",
        "P-FGVM identity by identity, the most often recognised first: true-match rates of clean images (stroke) and "
        "of protected ones (dot). The tenth of the identities at either end lies on a shade. “Seen”: the attack used "
        "that recogniser. Of more than 40 identities not every one is named.",
        ("recognised_persons.csv",),
    ),
}
PAPER_PLOTS: Mapping[str, Plot] = {
    "persons": Plot(
        "P-FGVM by identity",
        "Misclassification rate (MR) and mean L2 over each identity's images. Ordered by MR, then by L2; the tenth of "
        "the identities at either end lies on a shade. Of more than 40 identities not every one is named.",
        ("persons.csv",),
    ),
    "learning_curves": Plot(
        "Learning curves",
        "Accuracy (above) and loss (below, on a logarithmic scale) on the training split (dashed) and the validation "
        "split; the dotted line marks the epoch whose weights are used.",
        ("learning_curves.csv",),
    ),
}

"""The plots of both reports, SVG files: their titles, captions and source tables."""

from collections.abc import Mapping
from typing import NamedTuple


class Plot(NamedTuple):
    """A plot: its title, its caption, and the CSV files of the report that it is drawn from."""

    title: str
    caption: str
    sources: tuple[str, ...]


# By file name without suffix.
EVALUATION_PLOTS: Mapping[str, Plot] = {
    "recognition": Plot(
        "Recognition of protected images",
        "A method protects if its TMR is far below that of clean images (stroke) and of random noise of equal L2. "
        "Hollow markers: the method uses this recogniser (white-box). Images are compared with clean images of their "
        "identity. Lines: 95 % CI by bootstrap over identities.",
        ("recognition.csv",),
    ),
    "visibility": Plot(
        "Recognition and visibility",
        "Lower left is better: a low TMR at a low visibility, measured on the face. FLIP: from far (67 pixels per "
        "degree) and close (a face 10 degrees wide). Displacement: of methods that displace pixels, at 178 x 218 "
        "pixels. Each method at several strengths. Large markers: the strength of the settings. Dashed: white-box. "
        "Thin lines: 95 % CI by bootstrap over identities.",
        ("visibility.csv",),
    ),
    "robustness": Plot(
        "Robustness to post-processing",
        "A method is robust if its MR stays far above that of Clean, the model's error on unprotected images. MR of "
        "the attacked model after JPEG, resizing and other post-processing, with the methods in the order of the "
        "legend. Lines: 95 % CI (Wilson).",
        ("robustness.csv",),
    ),
    "curves": Plot(
        "Trade-off curves",
        "Upper left (L2) and upper right (SI) are better. MR at several values of λ (P-FGVM) and ε (I-FGVM, I-FGSM) on "
        "the same images. Large markers: the value of the settings. Labels: this value and the ends of a curve, where "
        "space permits. Thin lines: 95 % CI (Wilson).",
        ("curves.csv",),
    ),
    "recognised_persons": Plot(
        "Recognition by identity",
        "The worst cases are at the top: a TMR near that of clean images (stroke) means no protection. TMR of P-FGVM's "
        "images (dots) for each recogniser, sorted by its mean over the recognisers. Shaded: the tenth of the "
        "identities at either end. At most 12 identities are labelled.",
        ("recognised_persons.csv",),
    ),
}
PAPER_PLOTS: Mapping[str, Plot] = {
    "persons": Plot(
        "P-FGVM by identity",
        "The worst cases are at the top: a low MR, or a large L2 at equal MR. MR and mean L2 over the images of each "
        "identity, sorted by MR, then L2. Shaded: the tenth of the identities at either end. At most 12 identities are "
        "labelled.",
        ("persons.csv",),
    ),
    "learning_curves": Plot(
        "Learning curves",
        "A gap between the splits means overfitting. Accuracy (top) and cross-entropy (bottom, logarithmic) on the "
        "training split (dashed) and the validation split. Dotted: the epoch whose weights are used.",
        ("learning_curves.csv",),
    ),
}

"""List of all methods, in the order of tables and legends."""

from typing import NamedTuple


class Method(NamedTuple):
    """A de-identification method.

    key: name in settings, commands and files; implemented in pfgvm/attacks/methods/KEY.py. label: name in tables.
    family: methods of a family share a colour. The family of a method from the paper is its key.
    """

    key: str
    label: str
    family: str


METHODS = (
    Method("clean", "Clean", "control"),
    Method("p_fgvm", "P-FGVM", "p_fgvm"),
    Method("i_fgvm", "I-FGVM", "i_fgvm"),
    Method("i_fgsm", "I-FGSM", "i_fgsm"),
    Method("p_fgvm_noise", "P-FGVM (noise)", "p_fgvm"),
    Method("p_fgvm_features", "P-FGVM (features)", "features"),
    Method("p_fgvm_shape", "P-FGVM (shape)", "features"),
    Method("p_fgvm_shape_strong", "P-FGVM (shape, strong)", "features"),
    Method("ddn", "DDN", "minimum_norm"),
    Method("fmn", "FMN", "minimum_norm"),
    Method("cw_l2", "C&W-L2", "minimum_norm"),
    Method("random_equal_l2", "Random (equal L2)", "control"),
    Method("random_shape", "Random (equal shape)", "control"),
    Method("pixelation", "Pixelation", "conventional"),
    Method("gaussian_blur", "Gaussian blur", "conventional"),
    Method("masking", "Masking", "conventional"),
    Method("k_same", "k-Same", "conventional"),
)
_BY_KEY = {method.key: method for method in METHODS}
_PLACES = {method.label: place for place, method in enumerate(METHODS)}

CLEAN = _BY_KEY["clean"].label
PROPOSED = _BY_KEY["p_fgvm"].label
FEATURES = _BY_KEY["p_fgvm_features"].label
SHAPE = (_BY_KEY["p_fgvm_shape"].label, _BY_KEY["p_fgvm_shape_strong"].label)
# Methods that perturb each image by itself, from its gradient.
ATTACKS = {key: method for key, method in _BY_KEY.items() if method.family not in ("control", "conventional")}
PAPER_METHODS = tuple(method.label for method in METHODS if method.family == method.key)
BASELINES = tuple(label for label in PAPER_METHODS if label != PROPOSED)


def label_of(key: str) -> str:
    """Label of the method `key`; for another tool the key itself, which is its folder name."""
    return _BY_KEY[key].label if key in _BY_KEY else key


def key_of(label: str) -> str:
    """Key of the method with this label; for another tool the label itself."""
    return METHODS[_PLACES[label]].key if label in _PLACES else label


def labels_of(*families: str) -> tuple[str, ...]:
    """Labels of all methods of `families`."""
    return tuple(method.label for method in METHODS if method.family in families)


def place(label: str) -> tuple[int, str]:
    """Sort key of labels: the order of METHODS, then other tools by name."""
    return _PLACES.get(label, len(METHODS)), label

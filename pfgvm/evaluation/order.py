"""In which order tables name the methods."""

CLEAN = "Clean"
_ORDER = (
    CLEAN, "P-FGVM", "I-FGVM", "I-FGSM", "P-FGVM (noise)", "P-FGVM (features)", "DDN", "FMN", "C&W-L2",
    "Random (equal L2)", "Pixelation", "Gaussian blur", "Masking", "k-Same",
)  # fmt: skip


def place(method: str) -> tuple[int, str]:
    """What methods are sorted by: clean images, then attacks, controls and the old ways; others follow by name."""
    return (_ORDER.index(method) if method in _ORDER else len(_ORDER)), method

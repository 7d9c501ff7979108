"""The methods that Table 3 compares: the name of each one's stage, and its label in every table."""

LABELS = {
    "p_fgvm": "P-FGVM",
    "i_fgvm": "I-FGVM",
    "i_fgsm": "I-FGSM",
    "noise": "P-FGVM (noise)",
    "random": "Random (equal L2)",
}

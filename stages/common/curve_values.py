"""Where the settings stand on the trade-off curves."""

from pfgvm.settings import Attack


def values_used(attack: Attack) -> dict[tuple[str, str], tuple[str, float]]:
    """By model and method of the paper, the parameter that a curve runs over, and its value in the settings."""
    found = {}
    for model in attack.penalty:
        found[model, "P-FGVM"] = ("lambda", attack.penalty[model])
        found[model, "I-FGVM"] = ("epsilon", attack.i_fgvm.epsilon[model])
        found[model, "I-FGSM"] = ("epsilon", attack.i_fgsm.epsilon[model])
    return found

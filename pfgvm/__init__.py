"""Adversarial face de-identification: P-FGVM, its baselines, the models they fool, the measures."""

"""Adversarial face de-identification: P-FGVM and its baselines, the models they fool, and how the result is measured."""

"""Adversarial face de-identification: P-FGVM, baseline attacks, target models and evaluation metrics."""

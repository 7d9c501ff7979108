"""Findings: rates, means and intervals from the per-image outputs of models, recognisers and metrics."""

"""Evaluation of de-identified images: metrics, scores and statistics."""

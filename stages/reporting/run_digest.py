"""The name of a run of the paper's pipeline, by which an evaluation says which run it evaluated."""

from pathlib import Path

from stages.common.files import sha256


def run_digest(scores: Path) -> str:
    """Twelve hexadecimal digits that follow from the scores of all adversarial sets: another run has others."""
    return sha256(scores)[:12]

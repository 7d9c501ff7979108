"""The digest of a run of the paper's pipeline, which identifies the run that was evaluated."""

from pathlib import Path

from stages.common.files import sha256


def run_digest(scores: Path) -> str:
    """Identify a run by the first twelve hexadecimal digits of the SHA-256 of all its scores."""
    return sha256(scores)[:12]

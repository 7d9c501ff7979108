"""What the descriptors' weights files share."""

import hashlib
from pathlib import Path


def file_hash(path: str | Path) -> str:
    """SHA-256 of the file at `path`, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

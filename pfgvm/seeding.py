"""Random numbers derived from names, independent of order, batch and machine."""

import hashlib
import json
from collections.abc import Iterable

import numpy as np


def derive_seed(*key: str | int) -> int:
    """128-bit number derived from `key` (seed, purpose, names) by SHA-256; uniform over keys."""
    digest = hashlib.sha256(json.dumps(key, ensure_ascii=True).encode()).digest()
    return int.from_bytes(digest[:16], "big")


def shuffled(names: Iterable[str], *key: str | int) -> list[str]:
    """Distinct `names` in a random order derived from `key`, independent of their input order."""
    return sorted(set(names), key=lambda name: (derive_seed(*key, name), name))


def rng(*key: str | int) -> np.random.Generator:
    """Random generator seeded by `key`."""
    return np.random.Generator(np.random.PCG64(derive_seed(*key)))

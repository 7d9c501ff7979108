"""Randomness that hangs on names alone, so that neither order nor batch nor machine can change it."""

import hashlib
import json
from collections.abc import Iterable

import numpy as np


def derive_seed(*key: str | int) -> int:
    """A 128-bit number that `key` (seed, purpose, names) fixes; uniform over keys (SHA-256)."""
    digest = hashlib.sha256(json.dumps(key, ensure_ascii=True).encode()).digest()
    return int.from_bytes(digest[:16], "big")


def shuffled(names: Iterable[str], *key: str | int) -> list[str]:
    """The distinct `names` in the random order that `key` fixes, whatever order they come in."""
    return sorted(set(names), key=lambda name: (derive_seed(*key, name), name))


def rng(*key: str | int) -> np.random.Generator:
    """A generator of random numbers that `key` fixes."""
    return np.random.Generator(np.random.PCG64(derive_seed(*key)))

"""Whom an image is to be taken for: the target person ỹ, fixed per image, which the paper leaves open."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.errors import InputError


def choose_targets(policy: str, names: Sequence[str], classes: Tensor, logits: Tensor, seed: int) -> Tensor:
    """The target class of each image, never its own; (B,) int64 on the device of `logits`.

    policy: `random`, another person drawn by (seed, image name); `least_likely`, the least likely other person; or
    `second_most_likely`, the most likely other person. names: the images' names, B of them. classes: their persons,
    (B,). logits: the model's on the clean images, (B, C). Raises InputError for another policy and for fewer than two
    persons.
    """
    count = logits.shape[1]
    if count < 2:
        raise InputError(
            f"targets: the model knows {count} persons, and an image needs another than its own; train on two or more"
        )
    if policy == "random":
        shifts = [1 + seeding.derive_seed(seed, "target", name) % (count - 1) for name in names]
        return (classes + torch.tensor(shifts, dtype=torch.int64, device=classes.device)) % count
    own = torch.nn.functional.one_hot(classes, count).bool()
    if policy == "least_likely":
        return logits.masked_fill(own, torch.inf).argmin(1)
    if policy == "second_most_likely":
        return logits.masked_fill(own, -torch.inf).argmax(1)
    raise InputError(f"policy must be random, least_likely or second_most_likely, not {policy!r}")

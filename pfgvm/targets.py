"""Whom an image is to be taken for: the target person ỹ, fixed per image, which the paper leaves open."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pfgvm import keyed


def choose_targets(policy: str, images: Sequence[str], classes: Tensor, logits: Tensor, seed: int) -> Tensor:
    """The target class of each image, never its own; (B,) int64 on the device of `logits`.

    policy: `random`, another person drawn by (seed, image name); `least_likely`, the least likely other person; or
    `second_most_likely`, the most likely other person. images: their names. classes: their persons, (B,).
    logits: the model's on the clean images, (B, C).
    """
    count = logits.shape[1]
    if policy == "random":
        shifts = [1 + keyed.number(seed, "target", image) % (count - 1) for image in images]
        return (classes + torch.tensor(shifts, device=classes.device)) % count
    own = torch.nn.functional.one_hot(classes, count).bool()
    if policy == "least_likely":
        return logits.masked_fill(own, torch.inf).argmin(1)
    if policy == "second_most_likely":
        return logits.masked_fill(own, -torch.inf).argmax(1)
    raise ValueError(f"policy must be random, least_likely or second_most_likely, not {policy!r}")

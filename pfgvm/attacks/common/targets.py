"""Target classes ỹ, fixed per image. The paper leaves their choice open."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pfgvm import seeding
from pfgvm.errors import InputError


def choose_targets(policy: str, names: Sequence[str], classes: Tensor, logits: Tensor, seed: int) -> Tensor:
    """Target class of each image, never its true class: (B,) int64 on the device of `logits`.

    policy: `random`, another class drawn by (seed, image name); `least_likely`, the least likely other class; or
    `second_most_likely`, the most likely other class. names: B image names. classes: true classes, (B,).
    logits: the model's logits on the clean images, (B, C). Raises InputError for an unknown policy and for fewer than
    two classes.
    """
    count = logits.shape[1]
    if count < 2:
        raise InputError(
            f"targets: the model has {count} classes, and a target differs from the true one; train on two or more"
        )
    if policy == "random":
        shifts = [1 + seeding.derive_seed(seed, "target", name) % (count - 1) for name in names]
        return (classes + torch.tensor(shifts, dtype=torch.int64, device=classes.device)) % count
    true_class = torch.nn.functional.one_hot(classes, count).bool()
    if policy == "least_likely":
        return logits.masked_fill(true_class, torch.inf).argmin(1)
    if policy == "second_most_likely":
        return logits.masked_fill(true_class, -torch.inf).argmax(1)
    raise InputError(f"policy must be random, least_likely or second_most_likely, not {policy!r}")

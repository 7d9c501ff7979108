"""I-FGSM against four attack libraries."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.peers import COMPARABLE, PEERS
from benchmarks.subjects import MODELS, PERSONS, under_attack
from benchmarks.timing import Result, side_by_side
from pfgvm.attacks import i_fgsm
from pfgvm.device import keep_memory
from pfgvm.metrics import l2

# Table 2
EPSILON, ITERATIONS = 0.026, 20
GOALS = {("A", "cpu"): 2.0, ("B", "cpu"): 1.3, ("A", "cuda"): 2.0, ("B", "cuda"): 2.0}


def against_libraries(name: str, device: str, kept: bool = False) -> Iterator[Result]:
    """I-FGSM with Table 2's ε and N on Model `name`; the time of one image-iteration.

    kept: whether the process keeps its memory, as a stage's does and a user's does not; it hastens every contestant.
    """
    if kept:
        keep_memory()
    model, images, targets = under_attack(name, device)
    found: dict[str, Tensor] = {}

    def attack(who: str, by: Callable) -> None:
        found[who] = by(model, images, targets, EPSILON, ITERATIONS).detach().to(images.device)

    tasks = {who: partial(attack, who, by) for who, by in {"ours": _ours, **PEERS}.items()}
    times = side_by_side(tasks, 3, 1e-3 * len(images) * ITERATIONS)
    attack("plain", lambda model, *others: _ours(lambda values: model(values), *others))
    yield Result(
        row=f"I-FGSM on {name}, {device}" + kept * ", memory kept",
        what=f"{len(images)} images of 178 x 218, ε {EPSILON}, N {ITERATIONS}; {MODELS[name]}",
        unit="ms an image-iteration",
        ours=times.pop("ours"),
        others=times,
        goal=None if kept else GOALS[name, device],
        checks=_agreement(model, images, targets, found),
    )


def _ours(model: nn.Module, images: Tensor, targets: Tensor, epsilon: float, iterations: int) -> Tensor:
    return i_fgsm(model, images, targets, epsilon=epsilon, iterations=iterations)


@torch.no_grad()
def _agreement(model: nn.Module, images: Tensor, targets: Tensor, found: dict[str, Tensor]) -> dict[str, float]:
    """How far our results, and those of a plain function that is given no twin, agree with the libraries'."""
    persons = (targets - 1) % PERSONS
    misnamed = {who: (model(result).argmax(1) != persons).double().mean() for who, result in found.items()}
    size = {who: l2(result.cpu(), images.cpu()).mean() for who, result in found.items()}

    def close(path: str, peer: str) -> float:
        return ((found[path] - found[peer]).abs() < 1e-5).double().mean().item()

    return {
        "pixels of the plain path within 1e-5 of theirs, at least": min(close("plain", peer) for peer in COMPARABLE),
        "pixels of ours, at least": min(close("ours", peer) for peer in COMPARABLE),
        "L2 of ours over theirs, at the most 1 ±": max(abs(size["ours"] / size[p] - 1).item() for p in COMPARABLE),
        "MR of ours less theirs, at the most ±": max(abs(misnamed["ours"] - misnamed[p]).item() for p in COMPARABLE),
    }

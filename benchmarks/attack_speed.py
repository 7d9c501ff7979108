"""I-FGSM compared with four attack libraries."""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.libraries import BY_DEFINITION, LIBRARIES
from benchmarks.measurement import Measurement, side_by_side
from benchmarks.workloads import MODELS, PERSONS, under_attack
from pfgvm.attacks import i_fgsm
from pfgvm.evaluation.metrics import l2
from stages.networks.computing import keep_memory

# Table 2
EPSILON, ITERATIONS = 0.026, 20
GOAL = 0.95


def memory_kept(name: str) -> Iterator[Measurement]:
    """As `against_libraries` on a CPU, in a process that reuses freed memory as the pipeline's stages do."""
    keep_memory()
    for measurement in against_libraries(name, "cpu"):
        yield dataclasses.replace(measurement, row=f"{measurement.row}, memory kept")


def against_libraries(name: str, device: str) -> Iterator[Measurement]:
    """Measure I-FGSM with Table 2's ε and N on Model `name`."""
    model, images, targets = under_attack(name, device)
    results: dict[str, Tensor] = {}

    def run(library: str, attack: Callable[..., Tensor]) -> None:
        results[library] = attack(model, images, targets, EPSILON, ITERATIONS).detach().to(images.device)

    tasks = {library: partial(run, library, attack) for library, attack in {"ours": _attack, **LIBRARIES}.items()}
    times = side_by_side(tasks, 3, 1e-3 * len(images) * ITERATIONS)
    yield Measurement(
        row=f"I-FGSM on {name}, {device}",
        what=f"{len(images)} images of 178 x 218, ε {EPSILON}, N {ITERATIONS}; {MODELS[name]}",
        unit="ms per image and iteration",
        ours=times.pop("ours"),
        others=times,
        goal=GOAL,
        checks=_agreement(model, images, targets, results["ours"], [results[library] for library in BY_DEFINITION]),
    )


def _attack(model: nn.Module, images: Tensor, targets: Tensor, epsilon: float, iterations: int) -> Tensor:
    return i_fgsm(model, images, targets, epsilon=epsilon, iterations=iterations)


@torch.no_grad()
def _agreement(
    model: nn.Module, images: Tensor, targets: Tensor, ours: Tensor, theirs: list[Tensor]
) -> dict[str, float]:
    """The worst agreement of our result with those of the libraries."""
    persons = (targets - 1) % PERSONS

    def rate(result: Tensor) -> float:
        return (model(result).argmax(1) != persons).double().mean().item()

    def norm(result: Tensor) -> float:
        return l2(result, images).mean().item()

    return {
        "pixels within 1e-5 of theirs, at least": min(((ours - x).abs() < 1e-5).double().mean().item() for x in theirs),
        "L2 relative to theirs, at most 1 ±": max(abs(norm(ours) / norm(x) - 1) for x in theirs),
        "MR less theirs, at most ±": max(abs(rate(ours) - rate(x)) for x in theirs),
    }

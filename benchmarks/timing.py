"""Contestants timed side by side, and what came out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import torch


@dataclass(frozen=True)
class Result:
    """One row: our repeats and each other's, in `unit`; less is better."""

    row: str
    what: str
    unit: str
    ours: list[float]
    others: dict[str, list[float]] = field(default_factory=dict)
    goal: float | None = None
    """How many times the best other's median over ours; with no others, the most that ours may be."""
    checks: dict[str, float] = field(default_factory=dict)
    """What else was measured in the same run, such as how far the outcomes agree."""

    @property
    def best(self) -> str:
        """The quickest of the others."""
        return min(self.others, key=lambda name: median(self.others[name]))

    @property
    def ratio(self) -> float:
        """The best other's median over ours."""
        return median(self.others[self.best]) / median(self.ours)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is; None where there is none."""
        if self.goal is None:
            return None
        return self.ratio >= self.goal if self.others else median(self.ours) <= self.goal


def side_by_side(tasks: dict[str, Callable[[], object]], repeats: int, unit_seconds: float) -> dict[str, list[float]]:
    """Each task's time in units of `unit_seconds`, `repeats` times in turn, after one untimed round."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for round_ in range(repeats + 1):
        for name, task in tasks.items():
            taken = seconds(task)
            if round_:
                times[name].append(taken / unit_seconds)
    return times


def seconds(task: Callable[[], object]) -> float:
    """How long `task` takes; what it has left to a GPU is waited for."""
    start = time.perf_counter()
    task()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start

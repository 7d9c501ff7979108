"""Contestants timed side by side, and the outcome."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import torch


@dataclass(frozen=True)
class Measurement:
    """One row of the table: our repeats and those of each other contestant, in `unit`; less is better."""

    row: str
    what: str
    unit: str
    ours: list[float]
    others: dict[str, list[float]] = field(default_factory=dict)
    goal: float | None = None
    """The least ratio of the fastest other's median to ours; with no others, the most that ours may be."""
    checks: dict[str, float] = field(default_factory=dict)
    """What else the same run measured, such as how far the results agree."""

    @property
    def fastest(self) -> str:
        """The fastest of the others."""
        return min(self.others, key=lambda name: median(self.others[name]))

    @property
    def ratio(self) -> float:
        """The fastest other's median over ours."""
        return median(self.others[self.fastest]) / median(self.ours)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.ratio >= self.goal if self.others else median(self.ours) <= self.goal


def side_by_side(tasks: dict[str, Callable[[], object]], repeats: int, unit_seconds: float) -> dict[str, list[float]]:
    """Each task's times in units of `unit_seconds`: all run in turn, `repeats` rounds after an untimed one."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for round_ in range(repeats + 1):
        for name, task in tasks.items():
            taken = seconds(task)
            if round_:
                times[name].append(taken / unit_seconds)
    return times


def seconds(task: Callable[[], object]) -> float:
    """How long `task` takes, with the work that it has left to a GPU."""
    start = time.perf_counter()
    task()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start

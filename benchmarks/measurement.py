"""Times of several implementations of the same task, and their comparison."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import torch


@dataclass(frozen=True)
class Measurement:
    """One row of the table: the repeats of ours and of the other implementations, in `unit`; less is better."""

    row: str
    what: str
    unit: str
    ours: list[float]
    others: dict[str, list[float]] = field(default_factory=dict)
    goal: float | None = None
    """The minimum of `ratio`; without others, the maximum of our median."""
    checks: dict[str, float] = field(default_factory=dict)
    """Other values of the same run, such as the agreement of the results."""

    @property
    def fastest(self) -> str:
        """The name of the fastest other implementation."""
        return min(self.others, key=lambda name: median(self.others[name]))

    @property
    def ratio(self) -> float:
        """The fastest other's median divided by ours."""
        return median(self.others[self.fastest]) / median(self.ours)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        return self.ratio >= self.goal if self.others else median(self.ours) <= self.goal


def side_by_side(tasks: dict[str, Callable[[], object]], repeats: int, unit_seconds: float) -> dict[str, list[float]]:
    """Time all tasks alternately, `repeats` rounds after an untimed one; returns times in units of `unit_seconds`."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for round_ in range(repeats + 1):
        for name, task in tasks.items():
            duration = seconds(task)
            if round_:
                times[name].append(duration / unit_seconds)
    return times


def seconds(task: Callable[[], object]) -> float:
    """Time `task` in seconds, including its work on a GPU."""
    start = time.perf_counter()
    task()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start

"""A table as it is read: strings in rows and columns, with its caption and notes."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

MISSING = "–"


@dataclass(frozen=True)
class FormattedTable:
    """A table as it is read.

    label is LaTeX's; title the paper's number ("Table 3"), which LaTeX counts itself.
    caption says what the table shows and which descriptor made it, notes what to know when reading it.
    columns: two levels of names (group, name), the group empty where a column stands alone. rows: strings.
    left: how many of the first columns hold words (aligned left); the others hold numbers (aligned right).
    """

    label: str
    title: str
    caption: str
    columns: list[tuple[str, str]]
    rows: list[list[str]]
    left: int = 1
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The upper column names from left to right, each with the number of columns that it spans."""
        return [(name, len(list(run))) for name, run in groupby(group for group, _ in self.columns)]

    @property
    def starts(self) -> set[int]:
        """The columns, counted from 0, at which a named group begins."""
        first, starts = 0, set()
        for name, span in self.groups:
            starts |= {first} if name else set()
            first += span
        return starts

    @property
    def names(self) -> list[str]:
        """The lower column names."""
        return [name for _, name in self.columns]


def by_group(columns: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """`columns` with those of a group together, where the first of it stood; without a group each stands alone."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for group, name in columns:
        groups.setdefault((group, "" if group else name), []).append((group, name))
    return [column for of_group in groups.values() for column in of_group]

"""A formatted table: strings in rows and columns, with a caption and notes."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

MISSING = "–"


@dataclass(frozen=True)
class FormattedTable:
    """A formatted table.

    label: of LaTeX. title: the paper's number ("Table 3"), which LaTeX counts itself. caption: what to look for, then
    how it was computed. notes: definitions. columns: two levels of names (group, name); a column without a group has
    "". rows: strings. left: the number of leading columns with text (aligned left); the others have numbers (aligned
    right).
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
        """The group names from left to right, each with the number of columns that it spans."""
        return [(name, len(list(run))) for name, run in groupby(group for group, _ in self.columns)]

    @property
    def starts(self) -> set[int]:
        """The columns, counted from 0, at which a named group starts."""
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
    """`columns` with those of a group together, at the place of its first; columns without a group stay in place."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for group, name in columns:
        groups.setdefault((group, "" if group else name), []).append((group, name))
    return [column for of_group in groups.values() for column in of_group]

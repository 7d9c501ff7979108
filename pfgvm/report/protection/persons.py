"""Whom methods serve worst and best."""

import pandas as pd

from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.protection.numbers import rate
from pfgvm.report.words import recogniser_label


def persons_table(persons: pd.DataFrame) -> FormattedTable:
    """Whom a method serves worst and best: the tenth of the persons at either end, by MR, then L2."""
    lines = []
    for (model, method), rows in persons.groupby(["model", "method"], sort=False):
        ordered, count = worst_first(rows), tenth(len(rows))
        cells = [_people(part) for part in (ordered.head(count), ordered.tail(count))]
        lines.append([model, method, str(len(ordered)), *cells])
    return FormattedTable(
        "table:persons",
        "By person",
        "The tenth of the persons whom each method serves worst and best: MR, and mean L2.",
        columns=[("", name) for name in ("Model", "Method", "Persons", "Worst", "Best")],
        rows=lines,
        left=5,
    )


def recognised_persons_table(recognised: pd.DataFrame) -> FormattedTable:
    """Whom recognisers find most and least: the tenth of the persons at either end; RECOGNISED_PERSONS_COLUMNS."""
    lines = []
    for (model, method, name), rows in recognised.groupby(["model", "method", "recogniser"], sort=False):
        ordered = rows.dropna(subset="tmr_protected").sort_values(["tmr_protected", "person"], ascending=[False, True])
        count = tenth(len(ordered))
        cells = [_found_people(part) for part in (ordered.head(count), ordered.tail(count))]
        lines.append([model, method, recogniser_label(name), str(len(ordered)), *cells])
    return FormattedTable(
        "table:recognised-persons",
        "Recognition by person",
        "The tenth of the persons whom a recogniser finds most and least on protected pictures: true matches at 1 % "
        "false ones, protected (clean), in %.",
        columns=[("", name) for name in ("Model", "Method", "Recogniser", "Persons", "Most", "Least")],
        rows=lines,
        left=6,
    )


def worst_first(persons: pd.DataFrame) -> pd.DataFrame:
    """The rows of PERSONS_COLUMNS, whom a method serves worst first: by MR, then by L2."""
    return persons.sort_values(["mr", "l2", "person"], ascending=[True, False, True])


def tenth(count: int) -> int:
    """How many of `count` persons are the tenth at one end: one at least."""
    return max(1, round(count / 10))


def _people(rows: pd.DataFrame) -> str:
    return "; ".join(f"{row['person']}: {rate(row['mr'])} %, {row['l2']:.2f}" for row in rows.to_dict("records"))


def _found_people(rows: pd.DataFrame) -> str:
    found = (f"{row['person']}: {rate(row['tmr_protected'])} ({rate(row['tmr_clean'])})" for _, row in rows.iterrows())
    return "; ".join(found) or MISSING

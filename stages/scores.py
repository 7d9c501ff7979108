"""Bring the scores of all adversarial sets together."""

import csv
import shutil
from pathlib import Path

from pfgvm.errors import InputError
from stages.common.files import atomic_write, holds_nothing
from stages.common.program import run


def main(*, scores: Path, out: Path) -> None:
    """Write all tables in the folder `scores`, one a model and method, one after the other as the one table `out`.

    Raises InputError where two tables are of one model and method, such as one left behind by an older version.
    """
    paths = [path for path in sorted(scores.glob("*/*.csv")) if not holds_nothing(path)]
    found: dict[tuple[str, str], Path] = {}
    for path in paths:
        for key in _models_and_methods(path):
            if (other := found.setdefault(key, path)) != path:
                problem = f"scores the same model and method as {other}"
                remedy = "remove the one that is out of date, or rename the tool's folder in data/external"
                raise InputError(f"{path}: {problem}; {remedy}")
    with atomic_write(out) as partial, open(partial, "wb") as file:
        for number, path in enumerate(paths):
            with open(path, "rb") as table:
                header = table.readline()
                if number == 0:
                    file.write(header)
                shutil.copyfileobj(table, file)


def _models_and_methods(path: Path) -> set[tuple[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return {(row["model"], row["method"]) for row in csv.DictReader(file)}


if __name__ == "__main__":
    run(main)

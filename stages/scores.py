"""Bring the scores of all adversarial sets together."""

import shutil
from pathlib import Path

from stages.common.files import atomic_write
from stages.common.program import run


def main(*, scores: Path, out: Path) -> None:
    """Write all tables in the folder `scores`, one a model and method, one after the other as the one table `out`."""
    with atomic_write(out) as partial, open(partial, "wb") as file:
        for number, path in enumerate(sorted(scores.glob("*/*.csv"))):
            with open(path, "rb") as table:
                header = table.readline()
                if number == 0:
                    file.write(header)
                shutil.copyfileobj(table, file)


if __name__ == "__main__":
    run(main)

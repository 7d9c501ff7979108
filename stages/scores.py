"""Bring the scores of all cells together."""

import shutil
from pathlib import Path

from stages.io import run, write_whole


def main(cells: Path, out: Path) -> None:
    """Write all tables in the folder `cells`, one a model and method, one after the other as the one table `out`."""
    with write_whole(out) as partial, open(partial, "wb") as file:
        for number, path in enumerate(sorted(cells.glob("*/*.csv"))):
            with open(path, "rb") as table:
                header = table.readline()
                if number == 0:
                    file.write(header)
                shutil.copyfileobj(table, file)


if __name__ == "__main__":
    run(main)

"""Say whether it protects: the evaluation's tables as they are read, and what follows from them in sentences."""

import json
from dataclasses import asdict
from pathlib import Path

from pfgvm.report.protection.tables import protection_tables, unanswered
from pfgvm.report.protection.verdict import in_short, verdict
from pfgvm.report.render import markdown
from stages.common.data_frames import read_numbers
from stages.common.files import atomic_write
from stages.common.program import run

TABLES = (
    "recognition", "transfer", "survival", "adaptive", "quality", "curves", "equal_mr", "references", "persons",
    "recognised_persons", "visibility",
)  # fmt: skip


def main(*, tables: Path, out: Path) -> None:
    """Write protection.md and protection.json into the folder `out`, from the CSV tables in the folder `tables`."""
    found = {name: read_numbers(tables / f"{name}.csv") for name in TABLES}
    sentences, formatted = verdict(found), protection_tables(found)
    texts = {
        "protection.md": "\n".join([*(f"{sentence}\n" for sentence in sentences), *map(markdown, formatted)]),
        "protection.json": json.dumps(
            {
                "in_short": in_short(found),
                "verdict": sentences,
                "unanswered": unanswered(found),
                "tables": [asdict(table) for table in formatted],
                "measured": [f"{name}.csv" for name, table in found.items() if not table.empty],
            },
            indent=1,
            ensure_ascii=False,
        )
        + "\n",
    }
    for name, text in texts.items():
        with atomic_write(out / name) as partial:
            partial.write_text(text, "utf-8")


if __name__ == "__main__":
    run(main)

"""One offline page with every table and figure."""

import json
from pathlib import Path

from pfgvm.report.page import page
from stages.common.files import atomic_write
from stages.common.program import run

FIGURES = ("figure1", "figure2", "learning_curves", "curves", "visibility")


def main(*, report: Path, protection: Path, figures: Path, template: Path, style: Path, out: Path) -> None:
    """Write the page of the data `report` and `protection`, with the PNG files in the folder `figures`, to `out`."""
    html = page(
        json.loads(report.read_text("utf-8")),
        json.loads(protection.read_text("utf-8")),
        {name: (figures / f"{name}.png").read_bytes() for name in FIGURES},
        template=template.read_text("utf-8"),
        style=style.read_text("utf-8"),
    )
    with atomic_write(out) as path:
        path.write_text(html, "utf-8", newline="\n")


if __name__ == "__main__":
    run(main)

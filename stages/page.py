"""One offline page with every table, plot and face."""

import json
from pathlib import Path

from pfgvm.report.page import page
from pfgvm.report.plots.descriptions import PAPER_PLOTS
from stages.common.files import atomic_write
from stages.common.program import run
from stages.reporting.page_files import read_plots, read_templates


def main(*, report: Path, faces: Path, plots: Path, templates: Path, out: Path) -> None:
    """Write the page of the data `report` and `faces` to `out`.

    plots: the folder of the SVG files. templates: the folder of markup, style and script.
    """
    numbers, images = (json.loads(path.read_text("utf-8")) for path in (report, faces))
    html = page(numbers, images, read_plots(plots, PAPER_PLOTS), templates=read_templates(templates))
    with atomic_write(out) as path:
        path.write_text(html, "utf-8", newline="\n")


if __name__ == "__main__":
    run(main)

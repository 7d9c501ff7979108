"""One offline page with every table, plot and face."""

import json
from pathlib import Path

from pfgvm.report.page import PlotOnPage, page
from pfgvm.report.plots.descriptions import PLOTS
from stages.common.files import atomic_write
from stages.common.program import run


def main(*, report: Path, protection: Path, faces: Path, plots: Path, templates: Path, out: Path) -> None:
    """Write the page of the data `report`, `protection` and `faces` to `out`.

    plots: the folder of the SVG files. templates: the folder of markup, style and script.
    """
    numbers, sentences, pictures = (json.loads(path.read_text("utf-8")) for path in (report, protection, faces))
    shown = {
        name: PlotOnPage(
            name,
            plot.title,
            plot.caption,
            plot.sources,
            (plots / f"{name}.svg").read_text("utf-8"),
            measured=not plot.part or plot.sources[0] in sentences["measured"],
        )
        for name, plot in PLOTS.items()
    }
    markup = {path.name: path.read_text("utf-8") for path in sorted(templates.iterdir())}
    html = page(numbers, sentences, pictures, shown, templates=markup)
    with atomic_write(out) as path:
        path.write_text(html, "utf-8", newline="\n")


if __name__ == "__main__":
    run(main)

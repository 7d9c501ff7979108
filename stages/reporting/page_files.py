"""Write a page from its data, plots and templates."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from pfgvm.report.plots.descriptions import Plot
from pfgvm.report.report_page import PlotOnPage
from stages.common.files import atomic_write


def write_page(
    page: Callable[..., str],
    described: Mapping[str, Plot],
    *,
    report: Path,
    faces: Path,
    plots: Path,
    templates: Path,
    out: Path,
) -> None:
    """Write the HTML that `page` returns for the data `report` and `faces`, both JSON, to `out`.

    described: the page's plots, SVG files in the folder `plots`. templates: the folder of markup, style and script.
    """
    numbers, images = (json.loads(path.read_text("utf-8")) for path in (report, faces))
    page_plots = {
        name: PlotOnPage(name, *plot, (plots / f"{name}.svg").read_text("utf-8")) for name, plot in described.items()
    }
    texts = {path.name: path.read_text("utf-8") for path in sorted(templates.iterdir())}
    html = page(numbers, images, page_plots, templates=texts)
    with atomic_write(out) as partial:
        partial.write_text(html, "utf-8", newline="\n")

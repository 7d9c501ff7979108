"""What pages are made of: plots and templates."""

from collections.abc import Mapping
from pathlib import Path

from pfgvm.report.page import PlotOnPage
from pfgvm.report.plots.descriptions import Plot


def read_plots(folder: Path, plots: Mapping[str, Plot]) -> dict[str, PlotOnPage]:
    """The `plots`, SVG files in `folder`, with what a page says of each."""
    return {name: PlotOnPage(name, *plot, (folder / f"{name}.svg").read_text("utf-8")) for name, plot in plots.items()}


def read_templates(folder: Path) -> dict[str, str]:
    """The files of `folder` by name: markup, style and script."""
    return {path.name: path.read_text("utf-8") for path in sorted(folder.iterdir())}

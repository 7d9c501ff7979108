"""Write one offline page with every table, plot and face."""

from pathlib import Path

from pfgvm.report.plots.descriptions import PAPER_PLOTS
from pfgvm.report.report_page import page
from stages.common.program import run
from stages.reporting.page_files import write_page


def main(*, report: Path, faces: Path, plots: Path, templates: Path, out: Path) -> None:
    """Write the page of the paper's tables and figures; the options are those of `write_page`."""
    write_page(page, PAPER_PLOTS, report=report, faces=faces, plots=plots, templates=templates, out=out)


if __name__ == "__main__":
    run(main)

"""Write one offline page with every table, plot and face of the evaluation."""

from pathlib import Path

from pfgvm.report.plots.descriptions import EVALUATION_PLOTS
from pfgvm.report.report_page import evaluation_page
from stages.common.program import run
from stages.reporting.page_files import write_page


def main(*, report: Path, faces: Path, plots: Path, templates: Path, out: Path) -> None:
    """Write the page of the evaluation; the options are those of `write_page`."""
    write_page(evaluation_page, EVALUATION_PLOTS, report=report, faces=faces, plots=plots, templates=templates, out=out)


if __name__ == "__main__":
    run(main)

"""The plots of the evaluation."""

from pathlib import Path

from pfgvm.report.plots.descriptions import EVALUATION_PLOTS
from pfgvm.report.plots.drawing import svg
from pfgvm.report.plots.recognised_persons import recognised_persons_figure
from pfgvm.report.plots.recognition_plot import recognition_figure
from pfgvm.report.plots.robustness_plot import robustness_figure
from pfgvm.report.plots.trade_off_plot import trade_off
from pfgvm.report.plots.visibility_plot import visibility_figure
from pfgvm.report.words import model_name
from stages.common.data_frames import read_numbers
from stages.common.files import atomic_write
from stages.common.program import run
from stages.reporting.training_records import read_records


def main(*, models: Path, tables: Path, out: Path) -> None:
    """Write the plots of EVALUATION_PLOTS (SVG) to the folder `out`.

    tables: the folder of the CSV tables named in EVALUATION_PLOTS.
    """
    descriptors = {record.model: record.descriptor for record in read_records(models)}
    headings = {model: model_name(model, descriptors) for model in descriptors}
    plots = {
        "recognition": recognition_figure(read_numbers(tables / "recognition.csv"), headings),
        "visibility": visibility_figure(read_numbers(tables / "visibility.csv")),
        "robustness": robustness_figure(read_numbers(tables / "robustness.csv"), headings),
        "curves": trade_off(read_numbers(tables / "curves.csv"), headings),
        "recognised_persons": recognised_persons_figure(read_numbers(tables / "recognised_persons.csv"), descriptors),
    }
    for name, plot in plots.items():
        with atomic_write(out / f"{name}.svg") as partial:
            partial.write_bytes(svg(plot, prefix=name, title=EVALUATION_PLOTS[name].title))


if __name__ == "__main__":
    run(main)

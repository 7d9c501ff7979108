"""The page of compared runs."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pfgvm.report.paper_figures import AMPLIFICATION
from pfgvm.report.report_page import render
from pfgvm.report.runs.faces import RULE, SharedFace
from pfgvm.report.runs.run import Run, differing_settings
from pfgvm.report.runs.runs_tables import accuracies_table, results_table, runs_table, settings_table


def runs_page(
    runs: Sequence[Run],
    compared: pd.DataFrame,
    faces: Sequence[SharedFace],
    apart: Sequence[str],
    *,
    templates: Mapping[str, str],
) -> str:
    """The page as self-contained HTML.

    compared: from pfgvm.report.runs.run.compared. faces: from shared_faces. apart: sentences on the runs without faces.
    templates: the files of reports/page by name.
    """
    names = [run.name for run in runs]
    return render(
        "compare.html.j2",
        templates,
        names=names,
        runs=runs_table(runs),
        settings=settings_table(differing_settings(runs), names),
        results=results_table(compared, runs),
        accuracies=accuracies_table(compared),
        faces=faces,
        apart=apart,
        rule=RULE,
        amplification=AMPLIFICATION,
    )

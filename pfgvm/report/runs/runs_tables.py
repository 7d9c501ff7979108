"""The formatted tables of compared runs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.run_summary import FACES
from pfgvm.report.runs.run import ACCURACY, Run
from pfgvm.report.table3 import SI_NOTE
from pfgvm.report.words import descriptor_name

# Digits and factor of each measure. Runs differ less than methods: one more digit than in Table 3.
_FORMS = {"l2": (3, 1.0), "mssim_legacy": (4, 1.0), "mr": (1, 100.0), ACCURACY: (1, 100.0)}
_HEADINGS = {"l2": "L2", "mssim_legacy": "SI", "mr": "MR, %"}
_DIFFERENCE = "minus first (95 % CI)"
_TRAINED = {"yes": "the first run's", "no": "another", "": MISSING}
PAIRED_NOTE = (
    "Paired: both runs attacked the same images of the same identities; the CI is from the differences by image, by "
    "bootstrap over identities. Unpaired: the identities of both runs are drawn independently, and the CI is wider."
)
FAILING_NOTE = "A failing attack has a small L2: a smaller L2 at a lower MR need not be a gain."
SIZES_NOTE = "The image sizes differ: an equal perturbation of every pixel has a larger L2 on a larger image."


def runs_table(runs: Sequence[Run]) -> FormattedTable:
    """The data of each run: commit, faces, Model B's descriptor, device, numbers and size of the images."""
    names = ("Run", "Commit", "Faces", "Descriptor of B", "Device", "Identities", "Images", "Attacked", "Image size")
    return FormattedTable(
        "table:runs",
        "Runs",
        "All runs are compared with the first.",
        columns=[("", name) for name in names],
        rows=[_run_cells(run) for run in runs],
        left=5,
    )


def _run_cells(run: Run) -> list[str]:
    summary = run.summary
    few, many = summary["images_attacked"]
    return [
        run.name,
        run.commit or MISSING,
        FACES[summary["source"]].split(",")[0],
        descriptor_name(summary["descriptors"].get("B", "none")),
        ", ".join(dict.fromkeys(model["device"] for model in summary["models"])),
        str(summary["persons"]),
        str(sum(summary["images"].values())),
        str(few) if few == many else f"{few} to {many}",
        f"{summary['image_width']} x {summary['image_height']}",
    ]


def settings_table(settings: Mapping[str, Sequence[str]], names: Sequence[str]) -> FormattedTable:
    """One row a setting of pfgvm.report.runs.run.differing_settings, one column a run; names: the runs'."""
    absent = any(MISSING in values for values in settings.values())
    return FormattedTable(
        "table:settings",
        "Settings that differ",
        "The value of each run.",
        columns=[("", "Setting"), *(("", name) for name in names)],
        rows=[[key, *values] for key, values in settings.items()],
        left=1 + len(names),
        notes=(f"{MISSING}: the version of the run has no such setting.",) if absent else (),
    )


def results_table(compared: pd.DataFrame, runs: Sequence[Run]) -> FormattedTable:
    """One row a model, method and run; compared: pfgvm.report.runs.run.compared."""
    rows = []
    measured = compared[compared["method"] != ""]
    for (model, method, run), group in measured.groupby(["model", "method", "run"], sort=False):
        measures = {row["measure"]: row for row in group.to_dict("records")}
        values = [cell for name in _HEADINGS for cell in (_number(measures[name], "value"), _less(measures[name]))]
        rows.append([model, method, run, measures["l2"]["paired"] or MISSING, *values])
    names = [("", name) for name in ("Model", "Method", "Run", "Paired")]
    sizes = {(run.summary["image_width"], run.summary["image_height"]) for run in runs}
    return FormattedTable(
        "table:compared",
        "L2, SI and MR",
        f"A CI without 0 means a difference between runs. Values of each run, and the difference from {runs[0].name}.",
        columns=names + [(heading, name) for heading in _HEADINGS.values() for name in ("value", _DIFFERENCE)],
        rows=rows,
        left=len(names),
        notes=(PAIRED_NOTE, f"{SI_NOTE}.", FAILING_NOTE, *([SIZES_NOTE] if len(sizes) > 1 else [])),
    )


def accuracies_table(compared: pd.DataFrame) -> FormattedTable:
    """Test accuracies, one row a model and run; compared: pfgvm.report.runs.run.compared."""
    names = [("", name) for name in ("Model", "Run", "Trained model")]
    rows = [
        [row["model"], row["run"], _TRAINED[row["paired"]], _number(row, "value"), _ends(row, ""), _less(row)]
        for row in compared[compared["measure"] == ACCURACY].to_dict("records")
    ]
    return FormattedTable(
        "table:accuracies",
        "Test accuracy",
        "Accuracy on clean test images.",
        columns=names + [("Test accuracy, %", name) for name in ("value", "95 % CI", _DIFFERENCE)],
        rows=rows,
        left=len(names),
        notes=(
            "95 % CI: Wilson's interval, and Newcombe's for a difference, as if the runs had independent test images.",
        ),
    )


def _less(row: Mapping[str, Any]) -> str:
    less, low, high = (row[name] for name in ("difference", "difference_low", "difference_high"))
    if math.isnan(less):
        return MISSING
    if less == low == high == 0:
        return "0"
    ends = "" if math.isnan(low) else f" ({_ends(row, 'difference_')})"
    return f"{_number(row, 'difference', '+')}{ends}"


def _ends(row: Mapping[str, Any], prefix: str) -> str:
    return f"{_number(row, prefix + 'low')} to {_number(row, prefix + 'high')}"


def _number(row: Mapping[str, Any], name: str, sign: str = "-") -> str:
    digits, factor = _FORMS[row["measure"]]
    return f"{factor * row[name]:{sign}z.{digits}f}".replace("-", "−")

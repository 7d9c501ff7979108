"""The tables of runs side by side, as they are read."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.run_summary import FACES
from pfgvm.report.runs.run import ACCURACY, Run
from pfgvm.report.table3 import SI_NOTE
from pfgvm.report.words import descriptor_name

# Digits and factor of each measure; runs differ by less than methods do, hence a digit more than in Table 3.
_FORMS = {"l2": (3, 1.0), "mssim_legacy": (4, 1.0), "mr": (1, 100.0), ACCURACY: (1, 100.0)}
_HEADINGS = {"l2": "L2", "mssim_legacy": "SI", "mr": "MR, %"}
_DIFFERENCE = "less first (95 %)"
_TRAINED = {"yes": "the first run's", "no": "another", "": MISSING}
PAIRED_NOTE = (
    "Paired: both runs attacked the same images of the same persons, and the interval of the difference is that of the "
    "differences image by image, by bootstrap over persons. Else the persons of either run were drawn for themselves, "
    "and it is wider."
)
FAILING_NOTE = "An attack that fails spares the image: a smaller L2 at a lower MR need not be a gain."
SIZES_NOTE = "The runs' images differ in size: an equal change of each pixel has a larger L2 on a larger image."


def runs_table(runs: Sequence[Run]) -> FormattedTable:
    """What each run is of: commit, faces, Model B's descriptor, device, numbers and size of the images."""
    names = ("Run", "Commit", "Faces", "Model B on", "Device", "Persons", "Images", "Attacked", "Image size")
    return FormattedTable(
        "table:runs",
        "Runs",
        "Later ones are held against the first.",
        columns=[("", name) for name in names],
        rows=[_facts(run) for run in runs],
        left=5,
    )


def _facts(run: Run) -> list[str]:
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
        "Their values under each run.",
        columns=[("", "Setting"), *(("", name) for name in names)],
        rows=[[key, *values] for key, values in settings.items()],
        left=1 + len(names),
        notes=("A dash: the run's version has no such setting.",) if absent else (),
    )


def results_table(compared: pd.DataFrame, runs: Sequence[Run]) -> FormattedTable:
    """One row a model, method and run; compared: pfgvm.report.runs.run.compared."""
    rows = []
    measured = compared[compared["method"] != ""]
    for (model, method, run), group in measured.groupby(["model", "method", "run"], sort=False):
        found = {row["measure"]: row for row in group.to_dict("records")}
        values = [cell for name in _HEADINGS for cell in (_number(found[name], "value"), _less(found[name]))]
        rows.append([model, method, run, found["l2"]["paired"] or MISSING, *values])
    names = [("", name) for name in ("Model", "Method", "Run", "Paired")]
    sizes = {(run.summary["image_width"], run.summary["image_height"]) for run in runs}
    return FormattedTable(
        "table:compared",
        "L2, SI and MR",
        f"Each run's values, and each later run's less those of {runs[0].name}.",
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
        "Of clean images.",
        columns=names + [("Test accuracy, %", name) for name in ("value", "95 %", _DIFFERENCE)],
        rows=rows,
        left=len(names),
        notes=("Intervals are Wilson's, and Newcombe's of a difference, as if either run had test images of its own.",),
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

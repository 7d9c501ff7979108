"""The table of a machine's measurements."""

import json
from dataclasses import fields
from pathlib import Path
from statistics import median

from benchmarks.measurement import Measurement
from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.render import markdown

COLUMNS = ["what", "ours", "fastest other", "", "times", "goal", "reached"]
VERDICTS = {True: "yes", False: "no", None: MISSING}


def write(file: Path, rows: list[str]) -> str:
    """Write the Markdown table of the measurements in the JSON `file` next to it, and return the table.

    rows: all rows that can be measured; the table lists those missing in `file`.
    """
    measured = json.loads(file.read_text("utf-8"))
    entries = measured["results"].values()
    names = [field.name for field in fields(Measurement)]
    measurements = [Measurement(**{name: entry[name] for name in names}) for entry in entries]
    missing = [row for row in rows if row not in {entry["measured_by"] for entry in entries}]
    table = FormattedTable(
        label="tab:speed",
        title="Speed",
        caption="Medians on {cpu}, {cores} cores, GPU: {gpu}, torch {torch}. ".format(**measured["machine"])
        + "Times: the fastest other's time over ours.",
        columns=[("", name) for name in COLUMNS],
        rows=[_cells(measurement) for measurement in measurements],
        notes=(
            *map(_note, measurements),
            f"Not measured: {', '.join(missing) or 'none'}.",
            f"Commit: {', '.join(sorted({entry['commit'] for entry in entries}))}.",
        ),
    )
    text = markdown(table)
    file.with_suffix(".md").write_text(text, "utf-8")
    return text


def _cells(measurement: Measurement) -> list[str]:
    unit, goal = measurement.unit, measurement.goal
    ours, verdict = f"{_number(median(measurement.ours))} {unit}", VERDICTS[measurement.reached]
    if not measurement.others:
        return [measurement.row, ours, MISSING, "", MISSING, MISSING if goal is None else f"≤ {goal:g} {unit}", verdict]
    fastest = measurement.fastest
    theirs, ratio = _number(median(measurement.others[fastest])), f"{measurement.ratio:.2f}"
    return [measurement.row, ours, fastest, theirs, ratio, MISSING if goal is None else f"≥ {goal:.3g}", verdict]


def _note(measurement: Measurement) -> str:
    others = [f"{name} {_number(median(values))}" for name, values in measurement.others.items()]
    checks = [f"{name}: {_number(value)}" for name, value in measurement.checks.items()]
    repeats = f"{len(measurement.ours)} repeat{'s' * (len(measurement.ours) > 1)}"
    return f"{measurement.row}: {measurement.what}. {'; '.join([*others, *checks, repeats])}."


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"

"""The readable table of a machine's results."""

import json
from dataclasses import fields
from pathlib import Path
from statistics import median

from benchmarks.timing import Result
from pfgvm.report.markup import MISSING, Printed, markdown, printed_cells

COLUMNS = ["what", "ours", "quickest other", "", "times", "goal", "reached"]
VERDICTS = {True: "yes", False: "no", None: MISSING}


def write(file: Path, rows: list[str]) -> str:
    """Write the table of the results in `file` beside it, as Markdown, and return it.

    rows: all that can be measured; those that were not are named.
    """
    kept = json.loads(file.read_text(encoding="utf-8"))
    names = {field.name for field in fields(Result)}
    entries = list(kept["results"].values())
    results = [Result(**{name: value for name, value in entry.items() if name in names}) for entry in entries]
    missing = [row for row in rows if row not in {entry["measured_by"] for entry in entries}]
    machine = kept["machine"]
    printed = Printed(
        label="tab:speed",
        title="Speed",
        caption=f"Medians on {machine['cpu']}, {machine['cores']} cores, GPU: {machine['gpu']}, torch "
        f"{machine['torch']}. Times: the quickest other's over ours.",
        cells=printed_cells([("", name) for name in COLUMNS], [_cells(result) for result in results]),
        notes=(*map(_note, results), f"Not measured: {', '.join(missing) or 'none'}."),
    )
    text = markdown(printed)
    file.with_suffix(".md").write_text(text, encoding="utf-8")
    return text


def _cells(result: Result) -> list[str]:
    ours = f"{_number(median(result.ours))} {result.unit}".strip()
    verdict = VERDICTS[result.reached]
    if not result.others:
        goal = MISSING if result.goal is None else f"≤ {result.goal:g} {result.unit}"
        return [result.row, ours, MISSING, "", MISSING, goal, verdict]
    goal = MISSING if result.goal is None else f"≥ {result.goal:.3g}"
    other = _number(median(result.others[result.best]))
    return [result.row, ours, result.best, other, f"{result.ratio:.2f}", goal, verdict]


def _note(result: Result) -> str:
    others = [f"{name} {_number(median(values))}" for name, values in result.others.items()]
    checks = [f"{name}: {_number(value)}" for name, value in result.checks.items()]
    count = len(result.ours)
    return f"{result.row}: {result.what}. {'; '.join(others + checks)} ({count} repeat{'s' * (count > 1)})."


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"

"""What was found, in sentences built from the numbers: which method changes images least, and on which faces."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pfgvm.methods import PAPER_METHODS
from pfgvm.report.run_summary import FACES
from pfgvm.report.table3 import COMPARABLE
from pfgvm.report.words import Row, model_name
from pfgvm.settings import MODEL_NAMES

PROPOSED, *BASELINES = PAPER_METHODS


class Finding(NamedTuple):
    """A claim, and the numbers that it rests on."""

    claim: str
    numbers: str


def headline(report: Mapping[str, Any]) -> list[Finding]:
    """One finding a model, by mean L2; report: pfgvm.report.table_data.report, or the same read from report.json."""
    rows = {(row["model"], row["method"]): row for row in report["table3"] if row["pixels"] == "float"}
    apart = {(row["model"], row["baseline"]): row for row in report["differences"] if row["measure"] == "l2"}
    return [
        _of_model(
            model_name(model, report["run"]["descriptors"]),
            rows[model, PROPOSED],
            [(rows[model, name], apart[model, name]) for name in BASELINES if (model, name) in apart],
        )
        for model in MODEL_NAMES
        if (model, PROPOSED) in rows
    ]


def _of_model(name: str, proposed: Row, baselines: Sequence[tuple[Row, Row]]) -> Finding:
    # An attack that often fails spares the pixels that its aim would cost.
    comparable = [(row, less) for row, less in baselines if row["mr"] >= COMPARABLE * proposed["mr"]]
    if not comparable:
        claim = f"On {name} {PROPOSED} has no baseline to be held against."
    elif all(less["high"] < 0 for _, less in comparable):
        claim = f"On {name} {PROPOSED} changes images least."
    else:
        claim = f"On {name} {PROPOSED} does not change images least."
    costs = [f"mean L2 {proposed['l2']:.2f}", *(_apart(row["method"], less) for row, less in comparable)]
    reach = [f"{row['method']} {_rate(row)}" for row, _ in baselines]
    others = f" ({', '.join(reach)})" if reach else ""
    numbers = f"{', '.join(costs)}. Misled: {_rate(proposed)} of {proposed['images']} images{others}."
    if few := [row["method"] for row, less in baselines if (row, less) not in comparable]:
        numbers += f" {' and '.join(few)} {'misleads' if len(few) == 1 else 'mislead'} too seldom to be compared."
    return Finding(claim, f"{numbers[0].upper()}{numbers[1:]}")


def _apart(baseline: str, less: Row) -> str:
    """How much more a baseline needs; less: the row of P-FGVM less it."""
    more, low, high = (-less[name] for name in ("difference", "high", "low"))
    if low > 0:
        return f"{baseline} {more:.2f} more ({low:.2f} to {high:.2f})"
    if high < 0:
        return f"{baseline} {-more:.2f} less ({-high:.2f} to {-low:.2f})"
    return f"{baseline} about as much (from {-low:.2f} less to {high:.2f} more)"


def faces_sentence(report: Mapping[str, Any]) -> str:
    """On which faces it was found, and how well the models know them; report: as for `headline`."""
    run = report["run"]
    named = [
        f"{model_name(row['model'], run['descriptors'])} names {100 * row['test_accuracy']:.1f} %"
        for row in report["table4"]
    ]
    return (
        f"{FACES[run['source']]}: {run['persons']} persons, {sum(run['images'].values())} images of "
        f"{run['image_width']} x {run['image_height']} pixels; of the clean test images {', '.join(named)} rightly."
    )


def _rate(row: Row) -> str:
    return f"{100 * row['mr']:.1f} %"

"""The claim of the report, in sentences built from the numbers: which method has the smallest L2, on which faces."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pfgvm.methods import PAPER_METHODS
from pfgvm.report.numbers import per_cent, with_unit
from pfgvm.report.run_summary import FACES
from pfgvm.report.table3 import COMPARABLE
from pfgvm.report.words import Row, model_name
from pfgvm.settings import MODEL_NAMES

PROPOSED, *BASELINES = PAPER_METHODS


class Finding(NamedTuple):
    """A claim, and further numbers behind it."""

    claim: str
    numbers: str


def headline(report: Mapping[str, Any]) -> list[Finding]:
    """One finding a model, by mean L2; report: pfgvm.report.table_data.report, or the same read from report.json."""
    rows = {(row["model"], row["method"]): row for row in report["table3"] if row["pixels"] == "float"}
    differences = {(row["model"], row["baseline"]): row for row in report["differences"] if row["measure"] == "l2"}
    return [
        _of_model(
            model_name(model, report["run"]["descriptors"]),
            rows[model, PROPOSED],
            [(rows[model, name], differences[model, name]) for name in BASELINES if (model, name) in differences],
        )
        for model in MODEL_NAMES
        if (model, PROPOSED) in rows
    ]


def _of_model(name: str, proposed: Row, baselines: Sequence[tuple[Row, Row]]) -> Finding:
    # An attack that often fails has a small L2 on the images where it fails.
    comparable = [(row, less) for row, less in baselines if row["mr"] >= COMPARABLE * proposed["mr"]]
    failing = [row["method"] for row, less in baselines if (row, less) not in comparable]
    rates = [f"{row['method']} {with_unit(per_cent(row['mr']))}" for row in (proposed, *(row for row, _ in baselines))]
    numbers = [f"MR over {proposed['images']} images: {', '.join(rates)}."]
    if failing:
        numbers.append(f"The MR of {' and '.join(failing)} is too low for a comparison of L2.")
    if not comparable:
        claim = f"On {name}, no baseline is comparable with {PROPOSED}, whose mean L2 is {proposed['l2']:.2f}."
        return Finding(claim, " ".join(numbers))
    smallest = all(less["high"] < 0 for _, less in comparable)
    verdict = "has the smallest mean L2" if smallest else "does not have the smallest mean L2 at 95 % confidence"
    others = " and ".join(f"{row['l2']:.2f} ({row['method']})" for row, _ in comparable)
    more = ", ".join(f"{row['method']} {_more(less)}" for row, less in comparable)
    return Finding(
        f"On {name}, {PROPOSED} {verdict}: {proposed['l2']:.2f}, compared with {others}.",
        " ".join([f"L2 minus that of {PROPOSED}: {more}.", *numbers]),
    )


def _more(less: Row) -> str:
    """The L2 of a baseline minus that of P-FGVM, with its interval; less: the opposite difference."""
    more, low, high = (f"{-less[name]:+z.2f}".replace("-", "−") for name in ("difference", "high", "low"))
    return f"{more} ({low} to {high})"


def faces_sentence(report: Mapping[str, Any]) -> str:
    """The faces of the run and the models' test accuracies; report: as for `headline`."""
    run = report["run"]
    accuracies = [
        f"{model_name(row['model'], run['descriptors'])} {with_unit(per_cent(row['test_accuracy']))}"
        for row in report["table4"]
    ]
    return (
        f"{FACES[run['source']]}: {run['persons']} identities, {sum(run['images'].values())} images of "
        f"{run['image_width']} x {run['image_height']} pixels. Accuracy on clean test images: {', '.join(accuracies)}."
    )

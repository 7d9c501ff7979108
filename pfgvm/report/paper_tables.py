"""Tables 1 to 4 in the paper's form: measured next to published values, as strings."""

import difflib
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from pfgvm.methods import PAPER_METHODS
from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.numbers import per_cent, with_unit
from pfgvm.report.table3 import table3, table3_full
from pfgvm.report.words import DATASETS, Row, descriptor_name, descriptor_note
from pfgvm.settings import MODEL_NAMES

DIFFERS = "†"


def formatted_tables(report: Mapping[str, Any]) -> dict[str, FormattedTable]:
    """The tables of the report by name: table1, table2, table3, table3_full, table4.

    report: pfgvm.report.table_data.report, or the same read from report.json.
    """
    paper, descriptors = report["paper"], report["run"]["descriptors"]
    return {
        "table1": table1(report["table1"], paper, descriptors),
        "table2": table2(report["table2"], paper, descriptors),
        "table3": table3(report["table3"], paper, descriptors),
        "table3_full": table3_full(report["table3"], report["metrics"], descriptors),
        "table4": table4(report["table4"], paper, descriptors),
    }


def table1(layers: Sequence[Row], paper: Mapping, descriptors: Mapping[str, str]) -> FormattedTable:
    """The layers of both models; the column Paper has the paper's layer if it differs.

    layers: the rows of pfgvm.report.table_data.architecture. paper: the published values. descriptors: name by model.
    """
    rows = []
    for model in MODEL_NAMES:
        ours = [row for row in layers if row["model"] == model]
        for layer, published in _aligned(ours, paper["table1"][model]):
            same = layer and published and _plain(layer["layer"]) == _plain(published)
            cells = [layer["layer"], layer["output"], f"{layer['parameters']:,}"] if layer else [MISSING] * 3
            rows.append([model, cells[0], "same" if same else published or MISSING, *cells[1:]])
    return FormattedTable(
        "table:architecture",
        "Table 1",
        f"Layers of the target models; Paper: the paper's layer if it differs. {descriptor_note(descriptors)}",
        columns=[("", name) for name in ("Model", "Layer", "Paper", "Output", "Parameters")],
        rows=rows,
        left=3,
    )


def _aligned(ours: list[Row], published: list[str]) -> list[tuple[Row | None, str | None]]:
    # A descriptor can have more rows here than in the paper: pair equal layers, then those between them.
    ours_plain, published_plain = [_plain(row["layer"]) for row in ours], [_plain(layer) for layer in published]
    pairs: list[tuple[Row | None, str | None]] = []
    for _, a, b, c, d in difflib.SequenceMatcher(None, ours_plain, published_plain).get_opcodes():
        pairs += zip_longest(ours[a:b], published[c:d])
    return pairs


def _plain(layer: str) -> str:
    return "".join(layer.split()).casefold()


def table2(parameters: Sequence[Row], paper: Mapping, descriptors: Mapping[str, str]) -> FormattedTable:
    """The attacks' parameters in pairs of rows, ours above the paper's; † marks values that differ.

    parameters: the rows of pfgvm.report.table_data.attack_parameters; step_size is a number or a formula
    ("ε/N"); None where an attack has no such parameter.
    """
    names = {"step_size": "α", "iterations": "N", "epsilon": "ε", "lambda": "λ"}
    by_set = {(row["model"], row["method"]): row for row in parameters}
    rows, differing = [], False
    for method in PAPER_METHODS:
        ours, published = [], []
        for model in MODEL_NAMES:
            row = by_set.get((model, method), {})
            values = [_parameter(row, name) for name in names]
            paper_values = [_parameter(paper["table2"][model][method], name) for name in names]
            marks = [f" {DIFFERS}" if row and a != b else "" for a, b in zip(values, paper_values, strict=True)]
            differing |= any(marks)
            ours += [value + mark for value, mark in zip(values, marks, strict=True)]
            published += paper_values
        rows += [[method, "ours", *ours], ["", "paper", *published]]
    columns = [("", "Method"), ("", "")] + [(f"Model {m}", symbol) for m in MODEL_NAMES for symbol in names.values()]
    return FormattedTable(
        "table:attacks",
        "Table 2",
        "Parameters of the attacks: step size α, iterations N, clipping threshold ε, weight λ of the realism term. "
        f"{descriptor_note(descriptors)}",
        columns=columns,
        rows=rows,
        left=2,
        notes=(f"{DIFFERS} differs from the paper's value." if differing else "All values are the paper's.",),
    )


def _parameter(row: Mapping, name: str) -> str:
    value = row.get(name)
    if value is None:
        return MISSING
    if isinstance(value, str):
        return value
    return str(int(value)) if name == "iterations" else repr(float(value))


def table4(training: Sequence[Row], paper: Mapping, descriptors: Mapping[str, str]) -> FormattedTable:
    """Table 4 in the paper's form: one row a property, ours and the paper's for each model.

    training: the rows of pfgvm.report.table_data.training; `frozen` is None for a model without a descriptor.
    """
    trained = {row["model"]: row for row in training}
    sides = []
    for model in MODEL_NAMES:
        sides.append(_training_cells(trained[model]) if model in trained else [MISSING] * len(_PROPERTIES))
        sides.append(_published_cells(paper["table4"][model], paper["descriptor"][model]))
    return FormattedTable(
        "table:training",
        "Table 4",
        f"Training of the target models. {descriptor_note(descriptors)}",
        columns=[("", "")] + [(f"Model {model}", side) for model in MODEL_NAMES for side in ("ours", "paper")],
        rows=[list(line) for line in zip(_PROPERTIES, *sides, strict=True)],
        left=1,
    )


_PROPERTIES = (
    "Descriptor", "Dataset", "Identities", "Images", "Image size", "Training set", "Test set", "Validation set",
    "Normalisation", "Learning rate", "Optimisation", "Loss", "Batch size", "Epochs", "Epoch used",
    "Training accuracy", "Validation accuracy", "Test accuracy",
)  # fmt: skip


def _training_cells(row: Row) -> list[str]:
    frozen = row["frozen"]
    name = descriptor_name(row["descriptor"])
    sizes = [row[f"{split}_size"] for split in ("train", "test", "validation")]
    return [
        name if frozen is None else f"{name}, {'frozen' if frozen else 'fine-tuned'}",
        DATASETS[row["dataset"]],
        str(row["classes"]),
        str(row["images"]),
        f"{row['image_width']} x {row['image_height']}",
        *[f"{size} ({100 * size / row['images']:.0f} %)" for size in sizes],
        row["normalization"],
        repr(row["learning_rate"]),
        row["optimization"],
        row["loss"],
        str(row["batch_size"]),
        str(row["epochs"]),
        str(row["epoch_used"]),
        *[with_unit(per_cent(row[f"{split}_accuracy"])) for split in ("train", "validation", "test")],
    ]


def _published_cells(published: Mapping, descriptor: str) -> list[str]:
    return [
        descriptor_name(descriptor),
        DATASETS[published["dataset"]],
        str(published["classes"]),
        str(published["images"]),
        f"{published['image_width']} x {published['image_height']}",
        *[f"{100 * published[f'{split}_share']:.0f} %" for split in ("train", "test", "validation")],
        published["normalization"],
        repr(published["learning_rate"]),
        published["optimization"],
        published["loss"],
        str(published["batch_size"]),
        str(published["epochs"]),
        MISSING,
        with_unit(per_cent(published["train_accuracy"])),
        MISSING,
        with_unit(per_cent(published["test_accuracy"])),
    ]

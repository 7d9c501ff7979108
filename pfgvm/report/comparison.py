"""Tables 1 to 4 in the paper's form: what was measured beside what was published, as text."""

import difflib
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from pfgvm.evaluation.statistics import improvement
from pfgvm.models.descriptors import descriptor_label
from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.settings import MODEL_NAMES

PAPER_METHODS = ("P-FGVM", "I-FGVM", "I-FGSM")
DATASETS = {"synthetic": "synthetic faces", "celeba": "CelebA", "folder": "own folder"}
PIXEL_FORMATS = {"float": "float", "8bit": "8-bit"}
DIFFERS = "†"
# Of Table 3's form: digits, factor and unit of each measure.
MEASURES = {"l2": (2, 1.0, ""), "mssim_legacy": (3, 1.0, ""), "mr": (1, 100.0, " %")}
SI_NOTE = (
    "SI is the mean MSSIM by the legacy protocol (7 x 7 uniform window, data range 2), the one whose values can be "
    "held against the paper's"
)
# An attack that fails on many images spares their pixels: its L2 is no measure of what its aim costs.
NOT_COMPARABLE = "not comparable"
COMPARABLE = 0.9  # of P-FGVM's MR

Row = Mapping[str, Any]


def formatted_tables(report: Mapping[str, Any]) -> dict[str, FormattedTable]:
    """Every table of the report, by name: table1, table2, table3, table3_full, table4.

    report: pfgvm.report.tables.report, or the same read from report.json.
    """
    paper, descriptors = report["paper"], report["run"]["descriptors"]
    return {
        "table1": table1(report["table1"], paper, descriptors),
        "table2": table2(report["table2"], paper, descriptors),
        "table3": table3(report["table3"], paper, descriptors),
        "table3_full": table3_full(report["table3"], report["metrics"], descriptors),
        "table4": table4(report["table4"], paper, descriptors),
    }


def descriptor_note(descriptors: Mapping[str, str]) -> str:
    """One sentence, for captions, naming the descriptor that Model B stands on; descriptors: name by model."""
    if "B" not in descriptors:
        return "Model A alone."
    name = descriptor_name(descriptors["B"])
    return f"Model B on {name}." if name == "VGG-Face" else f"Model B on {name} (the paper: VGG-Face)."


def descriptor_name(descriptor: str) -> str:
    """The descriptor's label in tables; a dash for the `none` of a model without one."""
    return MISSING if descriptor == "none" else descriptor_label(descriptor)


def model_name(model: str, descriptors: Mapping[str, str]) -> str:
    """A heading: "Model A", or "Model B (dlib)" where a descriptor is part of the model."""
    descriptor = descriptors.get(model, "none")
    return f"Model {model}" if descriptor == "none" else f"Model {model} ({descriptor_label(descriptor)})"


def table1(layers: Sequence[Row], paper: Mapping, descriptors: Mapping[str, str]) -> FormattedTable:
    """The layers of both models; a column holds the paper's layer where it is another one.

    layers: the rows of pfgvm.report.tables.architecture. paper: the published values. descriptors: name by model.
    """
    rows = []
    for model in MODEL_NAMES:
        ours = [row for row in layers if row["model"] == model]
        for layer, published in _aligned(ours, paper["table1"][model]):
            same = layer and published and _plain(layer["layer"]) == _plain(published)
            mine = [layer["layer"], layer["output"], f"{layer['parameters']:,}"] if layer else [MISSING] * 3
            rows.append([model, mine[0], "same" if same else published or MISSING, *mine[1:]])
    return FormattedTable(
        "table:architecture",
        "Table 1",
        f"The target models' layers. {descriptor_note(descriptors)}",
        columns=[("", name) for name in ("Model", "Layer", "Paper", "Output", "Parameters")],
        rows=rows,
        left=3,
    )


def _aligned(ours: list[Row], published: list[str]) -> list[tuple[Row | None, str | None]]:
    # A descriptor may take more lines here than in the paper: pair equal layers, then what lies between them.
    here, there = [_plain(row["layer"]) for row in ours], [_plain(layer) for layer in published]
    pairs: list[tuple[Row | None, str | None]] = []
    for _, a, b, c, d in difflib.SequenceMatcher(None, here, there).get_opcodes():
        pairs += zip_longest(ours[a:b], published[c:d])
    return pairs


def _plain(layer: str) -> str:
    return "".join(layer.split()).casefold()


def table2(parameters: Sequence[Row], paper: Mapping, descriptors: Mapping[str, str]) -> FormattedTable:
    """The attacks' parameters in pairs of rows, ours over the paper's; ours carries † where it differs.

    parameters: the rows of pfgvm.report.tables.attack_parameters; step_size is a number, or a formula like the paper's
    "ε/N"; None where an attack has no such parameter.
    """
    names = {"step_size": "α", "iterations": "N", "epsilon": "ε", "lambda": "λ"}
    used = {(row["model"], row["method"]): row for row in parameters}
    rows, differing = [], False
    for method in PAPER_METHODS:
        ours, theirs = [], []
        for model in MODEL_NAMES:
            row = used.get((model, method), {})
            mine = [_parameter(row, name) for name in names]
            printed = [_parameter(paper["table2"][model][method], name) for name in names]
            marks = [f" {DIFFERS}" if row and a != b else "" for a, b in zip(mine, printed, strict=True)]
            differing |= any(marks)
            ours += [value + mark for value, mark in zip(mine, marks, strict=True)]
            theirs += printed
        rows += [[method, "ours", *ours], ["", "paper", *theirs]]
    columns = [("", "Method"), ("", "")] + [(f"Model {m}", symbol) for m in MODEL_NAMES for symbol in names.values()]
    return FormattedTable(
        "table:attacks",
        "Table 2",
        "The attacks' parameters: step size α, iterations N, clipping threshold ε, weight λ of the "
        f"realism term. {descriptor_note(descriptors)}",
        columns=columns,
        rows=rows,
        left=2,
        notes=(f"{DIFFERS} differs from the paper's." if differing else "Every value is the paper's.",),
    )


def _parameter(row: Mapping, name: str) -> str:
    value = row.get(name)
    if value is None:
        return MISSING
    if isinstance(value, str):
        return value
    return str(int(value)) if name == "iterations" else repr(float(value))


def table3(results: Sequence[Row], paper: Mapping, descriptors: Mapping[str, str]) -> FormattedTable:
    """Table 3 in the paper's form, in pairs of rows, ours over the paper's, from the float images.

    results: the rows of pfgvm.report.tables.results. What was not run holds an en dash. Improvements follow
    from the values as printed, rounded to one decimal (the paper truncates); "not comparable" stands where a baseline's
    MR is below nine tenths of P-FGVM's.
    """
    rows = {(row["model"], row["method"]): row for row in results if row["pixels"] == "float"}
    ours = {key: _measured(row["l2"], row["mssim_legacy"], row["mr"]) for key, row in rows.items()}
    lines = []
    for method in PAPER_METHODS:
        published = [_measured(**paper["table3"][model][method]) for model in MODEL_NAMES]
        mine = [ours.get((model, method), [MISSING] * 3) for model in MODEL_NAMES]
        lines += [[method, "ours", *_per_cent(mine)], ["", "paper", *_per_cent(published)]]
    for baseline in PAPER_METHODS[1:]:
        published = [[f"{v:.1f}" for v in paper["table3_improvement"][m][baseline].values()] for m in MODEL_NAMES]
        mine = [_improvements(rows.get((m, "P-FGVM")), rows.get((m, baseline))) for m in MODEL_NAMES]
        lines.append([f"Improvement over {baseline}", "ours", *_all_per_cent(mine)])
        lines.append(["", "paper", *_all_per_cent(published)])
    columns = [("", "Method"), ("", "")] + [(f"Model {m}", name) for m in MODEL_NAMES for name in ("L2", "SI", "MR")]
    return FormattedTable(
        "table:results",
        "Table 3",
        f"P-FGVM against its baselines, ours over the paper's. {descriptor_note(descriptors)}",
        columns=columns,
        rows=lines,
        left=2,
        notes=(
            *[_sampling_note(model, rows) for model in MODEL_NAMES if any(key[0] == model for key in rows)],
            f"{SI_NOTE}; Wang's is in the full table.",
            "Improvements follow from the printed values and are rounded; the paper truncates most of its own.",
            *([NOT_COMPARABLE_NOTE] if any(NOT_COMPARABLE in line for line in lines) else []),
        ),
    )


NOT_COMPARABLE_NOTE = (
    f"{NOT_COMPARABLE}: the baseline's MR is below nine tenths of P-FGVM's, so that its L2 and SI are those of an "
    "attack which often fails (README: Which scale)."
)


def _measured(l2: float, si: float, mr: float) -> list[str]:
    return [f"{l2:.2f}", f"{si:.3f}", f"{100 * mr:.1f}"]


def _per_cent(cells: list[list[str]]) -> list[str]:
    return [value for l2, si, mr in cells for value in (l2, si, _with_unit(mr))]


def _all_per_cent(cells: list[list[str]]) -> list[str]:
    return [_with_unit(value) for row in cells for value in row]


def _with_unit(value: str) -> str:
    return value if value in (MISSING, NOT_COMPARABLE) else f"{value} %"


def _improvements(proposed: Row | None, baseline: Row | None) -> list[str]:
    if proposed is None or baseline is None:
        return [MISSING] * 3
    if baseline["mr"] < COMPARABLE * proposed["mr"]:
        return [NOT_COMPARABLE] * 3
    printed = [_measured(row["l2"], row["mssim_legacy"], row["mr"]) for row in (proposed, baseline)]
    gains = [
        improvement(p, b, smaller_is_better=name == "L2")
        for name, p, b in zip(("L2", "SI", "MR"), *printed, strict=True)
    ]
    return [MISSING if gain is None else f"{gain:z.1f}".replace("-", "−") for gain in gains]


def _sampling_note(model: str, rows: Mapping) -> str:
    seen = [rows[model, method] for method in PAPER_METHODS if (model, method) in rows]
    if not seen:
        return f"Model {model}: none of the paper's methods was run."
    counts = {row["images"] for row in seen}
    images = f"{seen[0]['images']} images" if len(counts) == 1 else f"{min(counts)} to {max(counts)} images"
    intervals = ", ".join(f"{row['method']} {_interval(row)} %" for row in seen)
    share = f"{100 / min(counts):.2f} % of MR"
    return f"Model {model}: {images}, one is {share}; 95 % intervals of MR: {intervals}."


def _interval(row: Row) -> str:
    return f"{100 * row['mr_low']:.1f}–{100 * row['mr_high']:.1f}"


def table3_full(results: Sequence[Row], metrics: Sequence[Row], descriptors: Mapping[str, str]) -> FormattedTable:
    """Every row of pfgvm.report.tables.results, with every metric of Table 3; rates in per cent.

    metrics: of each its name, group, label and digits, in the order of the columns.
    """
    columns = [
        *[("", name) for name in ("Model", "Descriptor", "Method", "Pixels", "Images")],
        *[(metric["group"], metric["label"]) for metric in metrics],
        *[("MR, %", name) for name in ("all", "95 %", "correct", "test")],
        *[("", name) for name in ("Target, %", "Clean error, %")],
    ]
    rows = [
        [
            row["model"],
            descriptor_name(row["descriptor"]),
            row["method"],
            PIXEL_FORMATS[row["pixels"]],
            str(row["images"]),
            *[_number(row[metric["name"]], metric["digits"]) for metric in metrics],
            _rate(row["mr"]),
            _interval(row),
            *[_rate(row[name]) for name in ("mr_correct", "mr_test", "target_rate", "clean_error")],
        ]
        for row in results
    ]
    return FormattedTable(
        "table:results-full",
        "Table 3 in full",
        f"Every result, with the noise start, the random control and 8-bit images. {descriptor_note(descriptors)}",
        columns=columns,
        rows=rows,
        left=4,
        notes=(
            "The legacy MSSIM is the SI of the paper's form. 95 %: Wilson's interval of the rate; it takes the "
            "images for independent and leaves out what another training run or other persons would change.",
        ),
    )


def _number(value: float | None, digits: int) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"


def _rate(rate: float | None) -> str:
    return MISSING if rate is None else f"{100 * rate:.1f}"


def table4(training: Sequence[Row], paper: Mapping, descriptors: Mapping[str, str]) -> FormattedTable:
    """Table 4 in the paper's form: one row a property, for each model ours and the paper's.

    training: the rows of pfgvm.report.tables.training; `frozen` is None for a model without a descriptor.
    """
    trained = {row["model"]: row for row in training}
    sides = []
    for model in MODEL_NAMES:
        sides.append(_training_cells(trained[model]) if model in trained else [MISSING] * len(_PROPERTIES))
        sides.append(_published_cells(paper["table4"][model], paper["descriptor"][model]))
    return FormattedTable(
        "table:training",
        "Table 4",
        f"The target models' training. {descriptor_note(descriptors)}",
        columns=[("", "")] + [(f"Model {model}", side) for model in MODEL_NAMES for side in ("ours", "paper")],
        rows=[list(line) for line in zip(_PROPERTIES, *sides, strict=True)],
        left=1,
    )


_PROPERTIES = (
    "Descriptor", "Dataset", "Persons", "Images", "Image size", "Training set", "Test set", "Validation set",
    "Normalization", "Learning rate", "Optimization", "Loss", "Batch size", "Epochs", "Epoch used",
    "Training accuracy", "Validation accuracy", "Test accuracy",
)  # fmt: skip


def _training_cells(row: Row) -> list[str]:
    frozen = row["frozen"]
    name = descriptor_name(row["descriptor"])
    sizes = [row[f"{split}_size"] for split in ("train", "test", "validation")]
    return [
        name if frozen is None else f"{name}, {'frozen' if frozen else 'trained on'}",
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
        *[_with_unit(_rate(row[f"{split}_accuracy"])) for split in ("train", "validation", "test")],
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
        _with_unit(_rate(published["train_accuracy"])),
        MISSING,
        _with_unit(_rate(published["test_accuracy"])),
    ]

"""Tables 1 to 4 in the paper's form: what was measured beside what was published."""

import difflib
import math
from collections.abc import Mapping
from itertools import zip_longest

import pandas as pd

from pfgvm.report.markup import MISSING, Printed, printed_cells
from pfgvm.report.tables import MODELS, PAPER_METHODS, improvement, wilson_interval

DATASETS = {"synthetic": "synthetic faces", "celeba": "CelebA", "folder": "own folder"}
DESCRIPTORS = {"dlib": "dlib", "vgg_face": "VGG-Face"}
PIXEL_FORMATS = {"float": "float", "8bit": "8-bit"}
DIFFERS = "†"


def descriptor_note(descriptors: Mapping[str, str]) -> str:
    """One sentence, for captions, naming the descriptor that Model B stands on; descriptors: name by model."""
    if "B" not in descriptors:
        return "Model A alone."
    name = DESCRIPTORS[descriptors["B"]]
    return f"Model B on {name}." if name == "VGG-Face" else f"Model B on {name} (the paper: VGG-Face)."


def model_name(model: str, descriptors: Mapping[str, str]) -> str:
    """A heading: "Model A", or "Model B (dlib)" where a descriptor is part of the model."""
    name = DESCRIPTORS.get(descriptors.get(model, "none"))
    return f"Model {model} ({name})" if name else f"Model {model}"


def table1(architecture: pd.DataFrame, paper: Mapping, descriptors: Mapping[str, str]) -> Printed:
    """The layers of both models; a column holds the paper's layer where it is another one.

    architecture: pfgvm.report.tables.architecture. paper: the published values. descriptors: name by model.
    """
    rows = []
    for model in MODELS:
        ours = architecture[architecture["model"] == model].to_dict("records")
        for layer, published in _aligned(ours, paper["table1"][model]):
            same = layer and published and _plain(layer["layer"]) == _plain(published)
            mine = [layer["layer"], layer["output"], f"{layer['parameters']:,}"] if layer else [MISSING] * 3
            rows.append([model, mine[0], "same" if same else published or MISSING, *mine[1:]])
    columns = ["Model", "Layer", "Paper", "Output", "Parameters"]
    return Printed(
        "table:architecture",
        "Table 1",
        f"The target models' layers. {descriptor_note(descriptors)}",
        printed_cells([("", name) for name in columns], rows),
        left=3,
    )


def _aligned(ours: list[dict], published: list[str]) -> list[tuple[dict | None, str | None]]:
    # A descriptor may take more lines here than in the paper: pair equal layers, then what lies between them.
    here, there = [_plain(row["layer"]) for row in ours], [_plain(layer) for layer in published]
    pairs = []
    for _, a, b, c, d in difflib.SequenceMatcher(None, here, there).get_opcodes():
        pairs += zip_longest(ours[a:b], published[c:d])
    return pairs


def _plain(layer: str) -> str:
    return "".join(layer.split()).casefold()


def table2(parameters: pd.DataFrame, paper: Mapping, descriptors: Mapping[str, str]) -> Printed:
    """The attacks' parameters in pairs of rows, ours over the paper's; ours carries † where it differs.

    parameters: columns model, method, step_size (a number, or a formula like the paper's "ε/N"), iterations,
    epsilon, lambda; NaN where a method has none.
    """
    names = {"step_size": "α", "iterations": "N", "epsilon": "ε", "lambda": "λ"}
    used = {(row["model"], row["method"]): row for row in parameters.to_dict("records")}
    rows, differing = [], False
    for method in PAPER_METHODS:
        ours, theirs = [], []
        for model in MODELS:
            row = used.get((model, method), {})
            mine = [_parameter(row, name) for name in names]
            printed = [_parameter(paper["table2"][model][method], name) for name in names]
            marks = [f" {DIFFERS}" if row and a != b else "" for a, b in zip(mine, printed, strict=True)]
            differing |= any(marks)
            ours += [value + mark for value, mark in zip(mine, marks, strict=True)]
            theirs += printed
        rows += [[method, "ours", *ours], ["", "paper", *theirs]]
    columns = [("", "Method"), ("", "")] + [(f"Model {m}", symbol) for m in MODELS for symbol in names.values()]
    return Printed(
        "table:attacks",
        "Table 2",
        "The attacks' parameters: step size α, iterations N, clipping threshold ε, weight λ of the "
        f"realism term. {descriptor_note(descriptors)}",
        printed_cells(columns, rows),
        left=2,
        notes=(f"{DIFFERS} differs from the paper's." if differing else "Every value is the paper's.",),
    )


def _parameter(row: Mapping, name: str) -> str:
    value = row.get(name)
    if value is None or value != value:
        return MISSING
    if isinstance(value, str):
        return value
    return str(int(value)) if name == "iterations" else repr(float(value))


def table3(results: pd.DataFrame, paper: Mapping, descriptors: Mapping[str, str]) -> Printed:
    """Table 3 in the paper's form, in pairs of rows, ours over the paper's, from the float images.

    results: pfgvm.report.tables.results. A cell of a method that was not run holds an en dash. Improvements follow
    from the values as printed, rounded to one decimal (the paper truncates).
    """
    floats = results[results["pixels"] == "float"]
    rows = {(row["model"], row["method"]): row for row in floats.to_dict("records")}
    ours = {key: _measured(row["l2"], row["mssim_legacy"], row["mr"]) for key, row in rows.items()}
    lines = []
    for method in PAPER_METHODS:
        published = [_measured(**paper["table3"][model][method]) for model in MODELS]
        mine = [ours.get((model, method), [MISSING] * 3) for model in MODELS]
        lines += [[method, "ours", *_per_cent(mine)], ["", "paper", *_per_cent(published)]]
    for baseline in PAPER_METHODS[1:]:
        published = [[f"{v:.1f}" for v in paper["table3_improvement"][m][baseline].values()] for m in MODELS]
        mine = [_improvements(ours.get((m, "P-FGVM")), ours.get((m, baseline))) for m in MODELS]
        lines.append([f"Improvement over {baseline}", "ours", *_all_per_cent(mine)])
        lines.append(["", "paper", *_all_per_cent(published)])
    columns = [("", "Method"), ("", "")] + [(f"Model {m}", name) for m in MODELS for name in ("L2", "SI", "MR")]
    return Printed(
        "table:results",
        "Table 3",
        f"P-FGVM against its baselines, ours over the paper's. {descriptor_note(descriptors)}",
        printed_cells(columns, lines),
        left=2,
        notes=(
            *[_coarseness(model, rows) for model in MODELS if any(key[0] == model for key in rows)],
            "SI is the mean MSSIM by the legacy protocol (7 x 7 uniform window, data range 2), the one whose "
            "values can be held against the paper's; Wang's is in the full table.",
            "Improvements follow from the printed values and are rounded; the paper truncates most of its own.",
        ),
    )


def _measured(l2: float, si: float, mr: float) -> list[str]:
    return [f"{l2:.2f}", f"{si:.3f}", f"{100 * mr:.1f}"]


def _per_cent(cells: list[list[str]]) -> list[str]:
    return [value for l2, si, mr in cells for value in (l2, si, _with_unit(mr))]


def _all_per_cent(cells: list[list[str]]) -> list[str]:
    return [_with_unit(value) for row in cells for value in row]


def _with_unit(value: str) -> str:
    return value if value == MISSING else f"{value} %"


def _improvements(proposed: list[str] | None, baseline: list[str] | None) -> list[str]:
    if proposed is None or baseline is None:
        return [MISSING] * 3
    gains = [
        improvement(p, b, smaller_is_better=name == "L2")
        for name, p, b in zip(("L2", "SI", "MR"), proposed, baseline, strict=True)
    ]
    return [MISSING if gain is None else f"{gain:z.1f}".replace("-", "−") for gain in gains]


def _coarseness(model: str, rows: Mapping) -> str:
    seen = [rows[model, method] for method in PAPER_METHODS if (model, method) in rows]
    if not seen:
        return f"Model {model}: none of the paper's methods was run."
    counts = {row["images"] for row in seen}
    images = f"{seen[0]['images']} images" if len(counts) == 1 else f"{min(counts)} to {max(counts)} images"
    intervals = ", ".join(f"{row['method']} {interval(row['mr'], row['images'])} %" for row in seen)
    share = f"{100 / min(counts):.2f} % of MR"
    return f"Model {model}: {images}, one is {share}; 95 % intervals of MR: {intervals}."


def interval(rate: float, count: int) -> str:
    """Wilson's 95 % interval of a rate in [0, 1] over `count` images, printed in per cent."""
    low, high = wilson_interval(rate, count)
    return f"{100 * low:.1f}–{100 * high:.1f}"


def table3_full(results: pd.DataFrame, descriptors: Mapping[str, str]) -> Printed:
    """Every row and measure of pfgvm.report.tables.results, rates in per cent."""
    columns = [
        *[("", name) for name in ("Model", "Descriptor", "Method", "Pixels", "Images", "L2")],
        *[("MSSIM", name) for name in ("legacy", "Wang")],
        *[("MR, %", name) for name in ("all", "95 %", "correct", "test")],
        *[("", name) for name in ("Target, %", "Clean error, %")],
    ]
    rows = [
        [
            row["model"],
            DESCRIPTORS.get(row["descriptor"], MISSING),
            row["method"],
            PIXEL_FORMATS[row["pixels"]],
            str(row["images"]),
            f"{row['l2']:.2f}",
            f"{row['mssim_legacy']:.3f}",
            f"{row['mssim']:.3f}",
            _rate(row["mr"]),
            interval(row["mr"], row["images"]),
            *[_rate(row[name]) for name in ("mr_correct", "mr_test", "target_rate", "clean_error")],
        ]
        for row in results.to_dict("records")
    ]
    return Printed(
        "table:results-full",
        "Table 3 in full",
        f"Every result, with the noise start, the random control and 8-bit images. {descriptor_note(descriptors)}",
        printed_cells(columns, rows),
        left=4,
        notes=(
            "The legacy MSSIM is the SI of the paper's form. 95 %: Wilson's interval of the rate; it takes the "
            "images for independent and leaves out what another training run or other persons would change.",
        ),
    )


def _rate(rate: float) -> str:
    return MISSING if math.isnan(rate) else f"{100 * rate:.1f}"


def table4(training: pd.DataFrame, paper: Mapping, frozen: Mapping[str, bool | None]) -> Printed:
    """Table 4 in the paper's form: one row a property, for each model ours and the paper's.

    training: pfgvm.report.tables.training. frozen: by model, whether its descriptor was frozen (None: it has none).
    """
    rows = {row["model"]: row for row in training.to_dict("records")}
    blank = [MISSING] * len(_PROPERTIES)
    sides = []
    for model in MODELS:
        published = paper["table4"][model]
        sides.append(_training_cells(rows[model], frozen[model], published) if model in rows else blank)
        sides.append(_published_cells(published, paper["descriptor"][model]))
    columns = [("", "")] + [(f"Model {model}", side) for model in MODELS for side in ("ours", "paper")]
    cells = [list(line) for line in zip(_PROPERTIES, *sides, strict=True)]
    descriptors = {model: row["descriptor"] for model, row in rows.items()}
    caption = f"The target models' training. {descriptor_note(descriptors)}"
    return Printed("table:training", "Table 4", caption, printed_cells(columns, cells), left=1)


_PROPERTIES = (
    "Descriptor", "Dataset", "Persons", "Images", "Image size", "Training set", "Test set", "Validation set",
    "Normalization", "Learning rate", "Optimization", "Loss", "Batch size", "Epochs", "Epoch used",
    "Training accuracy", "Validation accuracy", "Test accuracy",
)  # fmt: skip


def _training_cells(row: Mapping, frozen: bool | None, published: Mapping) -> list[str]:
    name = DESCRIPTORS.get(row["descriptor"], MISSING)
    sizes = [row[f"{split}_size"] for split in ("train", "test", "validation")]
    return [
        name if frozen is None else f"{name}, {'frozen' if frozen else 'trained on'}",
        DATASETS[row["dataset"]],
        str(row["classes"]),
        str(row["images"]),
        f"{row['image_width']} x {row['image_height']}",
        *[f"{size} ({100 * size / row['images']:.0f} %)" for size in sizes],
        published["normalization"],
        repr(row["learning_rate"]),
        published["optimization"],
        published["loss"],
        str(row["batch_size"]),
        str(row["epochs"]),
        str(row["epoch_used"]),
        *[_with_unit(_rate(row[f"{split}_accuracy"])) for split in ("train", "validation", "test")],
    ]


def _published_cells(published: Mapping, descriptor: str) -> list[str]:
    return [
        DESCRIPTORS.get(descriptor, MISSING),
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

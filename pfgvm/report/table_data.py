"""Tables 1 to 4 as numbers: data frames from the settings, the scores and the training records."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from pfgvm.errors import InputError
from pfgvm.evaluation.metrics import METRICS
from pfgvm.evaluation.statistics import interval, mean, mean_over_clusters
from pfgvm.methods import BASELINES, PROPOSED, label_of, place
from pfgvm.models.training_record import TrainingRecord
from pfgvm.settings import MODEL_NAMES, Settings

PIXELS = ("float", "8bit")

TABLE1_COLUMNS = ["model", "layer", "output", "parameters"]
TABLE2_COLUMNS = ["model", "method", "step_size", "iterations", "epsilon", "lambda"]
_RATES = ["mr", "mr_correct", "mr_test", "target_rate", "clean_error"]
_TABLE3_COLUMNS = ["model", "descriptor", "method", "pixels", "images", "l2", "mssim", "mssim_legacy", *_RATES]
_TABLE3_METRICS = [metric.name for metric in METRICS if metric.in_table3]
_BOUNDED = [name for name in _TABLE3_COLUMNS if name in _TABLE3_METRICS or name in _RATES]
_TABLE3_COLUMNS += [f"{name}_{end}" for name in _BOUNDED for end in ("low", "high")]
# Other programs read the columns by position: new metrics come last.
TABLE3_COLUMNS = [*_TABLE3_COLUMNS, *(name for name in _TABLE3_METRICS if name not in _TABLE3_COLUMNS)]
TABLE4_COLUMNS = [
    "model", "descriptor", "dataset", "image_height", "image_width", "classes", "images",
    "train_size", "validation_size", "test_size", "learning_rate", "batch_size", "epochs", "epoch_used",
    "train_accuracy", "validation_accuracy", "test_accuracy",
]  # fmt: skip

PERSONS_COLUMNS = ["model", "method", "person", "images", "l2", "mr"]
DIFFERENCES_COLUMNS = ["model", "method", "baseline", "measure", "difference", "low", "high"]


def architecture(records: Sequence[TrainingRecord]) -> pd.DataFrame:
    """Table 1: one row a layer of each training record, in TABLE1_COLUMNS."""
    rows = [{"model": record.model, **layer.model_dump()} for record in records for layer in record.layers]
    return pd.DataFrame(rows, columns=TABLE1_COLUMNS)


def attack_parameters(settings: Settings) -> pd.DataFrame:
    """Table 2: one row a model and attack, in TABLE2_COLUMNS; NaN where an attack has no such parameter."""
    attack = settings.attack
    p_fgvm, i_fgvm, i_fgsm = attack.p_fgvm, attack.i_fgvm, attack.i_fgsm
    rows: list[tuple] = []
    for model in MODEL_NAMES:
        values = [
            ("p_fgvm", p_fgvm.step_size[model], p_fgvm.iterations[model], None, attack.penalty[model]),
            ("i_fgvm", i_fgvm.step_size[model], i_fgvm.iterations[model], i_fgvm.epsilon[model], None),
            ("i_fgsm", "ε/N", i_fgsm.iterations[model], i_fgsm.epsilon[model], None),
        ]
        rows += [(model, label_of(key), *parameters) for key, *parameters in values]
    return pd.DataFrame(rows, columns=TABLE2_COLUMNS)


def results(scores: pd.DataFrame, descriptors: Mapping[str, str]) -> pd.DataFrame:
    """Table 3: means over the images, one row a model, method and pixel format.

    scores: one row an image, model, method and pixel format, identities and predictions as strings, metrics as numbers.
    descriptors: the descriptor's name by model.

    Columns: TABLE3_COLUMNS. `NAME_low` and `NAME_high` are the 95 % interval of NAME: Wilson's for a rate, by bootstrap
    over identities for the mean of a metric. Rates are in [0, 1]: `mr` counts predicted != person over all images,
    `mr_correct` over those classified correctly when clean, `mr_test` over the test split, `target_rate` counts
    predicted == target, `clean_error` predicted_clean != person. A rate over no image is NaN. Methods are in the order
    of `place`. Raises InputError for an unknown model or pixel format.
    """
    for column, names in (("model", MODEL_NAMES), ("pixels", PIXELS)):
        if unknown := sorted(set(scores[column]) - set(names)):
            raise InputError(f"the scores have the unknown {column} {unknown[0]!r}; use {', '.join(names)}.")
    methods = sorted(set(scores["method"]), key=place)
    groups = dict(iter(scores.groupby(["model", "method", "pixels"], sort=False)))
    order = [(model, method, pixels) for model in MODEL_NAMES for method in methods for pixels in PIXELS]
    keys = ("model", "method", "pixels")
    rows = [
        {**dict(zip(keys, key, strict=True)), "descriptor": descriptors[key[0]], **_summary(groups[key])}
        for key in order
        if key in groups
    ]
    return pd.DataFrame(rows, columns=TABLE3_COLUMNS)


def _summary(scores: pd.DataFrame) -> dict[str, float]:
    missed = scores["predicted"] != scores["person"]
    correct = scores["predicted_clean"] == scores["person"]
    # Another tool's images have no target.
    targeted = scores["target"] != ""
    rates = {
        "mr": missed,
        "mr_correct": missed[correct],
        "mr_test": missed[scores["split"] == "test"],
        "target_rate": (scores["predicted"] == scores["target"])[targeted],
        "clean_error": ~correct,
    }
    summary: dict[str, float] = {"images": len(scores)}
    for name in _TABLE3_METRICS:
        values = mean_over_clusters(list(scores[name]), list(scores["person"]))
        summary |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
    for name, hits in rates.items():
        ends = interval(int(hits.sum()), len(hits)) if len(hits) else (math.nan, math.nan)
        summary |= dict(zip((name, f"{name}_low", f"{name}_high"), (mean(hits), *ends), strict=True))
    return summary


def differences(scores: pd.DataFrame) -> pd.DataFrame:
    """P-FGVM minus each baseline of the paper, paired by image: one row a model, baseline and measure.

    scores: as for `results`, of which the float images are used. Columns: DIFFERENCES_COLUMNS. `measure` is a metric of
    Table 3 or `mr`, `difference` the mean over the images of both methods, `low` and `high` its 95 % interval by
    bootstrap over identities.
    """
    exact = scores[scores["pixels"] == "float"]
    measured = exact.assign(mr=(exact["predicted"] != exact["person"]).astype(float))
    by_method = {key: rows.set_index("image") for key, rows in measured.groupby(["model", "method"])}
    rows = []
    for model in MODEL_NAMES:
        for baseline in BASELINES:
            if (model, PROPOSED) not in by_method or (model, baseline) not in by_method:
                continue
            ours, theirs = by_method[model, PROPOSED], by_method[model, baseline]
            both = ours.index.intersection(theirs.index)
            for measure in [*_TABLE3_METRICS, "mr"]:
                less = ours.loc[both, measure] - theirs.loc[both, measure]
                values = mean_over_clusters(list(less), list(ours.loc[both, "person"]))
                rows.append((model, PROPOSED, baseline, measure, *values))
    return pd.DataFrame(rows, columns=DIFFERENCES_COLUMNS)


def by_person(scores: pd.DataFrame) -> pd.DataFrame:
    """Means over each identity's float images: PERSONS_COLUMNS, `mr` in [0, 1].

    scores: as for `results`.
    """
    exact = scores[scores["pixels"] == "float"]
    missed = exact.assign(mr=exact["predicted"] != exact["person"])
    rows = [
        (model, method, person, len(group), mean(group["l2"]), mean(group["mr"]))
        for (model, method, person), group in missed.groupby(["model", "method", "person"], sort=False)
    ]
    rows.sort(key=lambda row: (row[0], place(row[1]), row[2]))
    return pd.DataFrame(rows, columns=PERSONS_COLUMNS)


def training(records: Sequence[TrainingRecord]) -> pd.DataFrame:
    """Table 4: one row a training record; accuracies are in [0, 1].

    Columns: TABLE4_COLUMNS (`classes` is the number of classes), then frozen, normalization, optimization and loss.
    """
    rows = [{**record.model_dump(), "classes": len(record.classes)} for record in records]
    return pd.DataFrame(rows, columns=[*TABLE4_COLUMNS, "frozen", "normalization", "optimization", "loss"])


def as_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of `table` as values for JSON: NaN becomes None."""
    rows = table.to_dict("records")
    return [{str(name): None if value != value else value for name, value in row.items()} for row in rows]


def table3_metrics() -> list[dict[str, Any]]:
    """The metrics of Table 3 in the order of its columns: name, group, label, digits, smaller_is_better."""
    return [
        {
            "name": metric.name,
            "group": metric.label[0],
            "label": metric.label[1],
            "digits": metric.digits,
            "smaller_is_better": metric.smaller_is_better,
        }
        for metric in METRICS
        if metric.in_table3
    ]


def report(numbers: Mapping[str, pd.DataFrame], run: Mapping[str, Any], paper: Mapping[str, Any]) -> dict[str, Any]:
    """The content of report.json: all data of the page, formatted by pfgvm.report.paper_tables.formatted_tables.

    numbers: `table1` to `table4`, `differences` and `persons` as frames. run: from
    pfgvm.report.run_summary.run_summary. paper: the published values.
    """
    return {
        "run": run,
        "metrics": table3_metrics(),
        **{name: as_records(table) for name, table in numbers.items()},
        "paper": paper,
    }


def metrics_by_method(table3: pd.DataFrame, table4: pd.DataFrame) -> dict[str, dict]:
    """Metrics to compare between runs: by model, its test accuracy and by method the float row of Table 3.

    Six significant digits, without NaN.
    """
    names = [*(name for name in TABLE3_COLUMNS if name in _TABLE3_METRICS), "mr", "target_rate"]
    summary: dict[str, dict] = {row["model"]: _rounded(row, ["test_accuracy"]) for row in table4.to_dict("records")}
    for row in table3[table3["pixels"] == "float"].to_dict("records"):
        summary.setdefault(row["model"], {})[row["method"]] = _rounded(row, names)
    return summary


def _rounded(row: Mapping, names: Iterable[str]) -> dict[str, float]:
    return {name: float(f"{row[name]:.6g}") for name in names if not math.isnan(row[name])}

"""Tables 3 and 4 over several seeds: variation over draws of identities, images, weights and targets."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from pfgvm.evaluation.statistics import mean_over_runs
from pfgvm.methods import BASELINES, PAPER_METHODS, PROPOSED
from pfgvm.models.training_record import TrainingRecord
from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.numbers import number
from pfgvm.report.table3 import COMPARABLE, MEASURES, NOT_COMPARABLE_NOTE, SI_NOTE, TABLE3_HEADINGS
from pfgvm.report.table_data import results
from pfgvm.report.words import NOT_COMPARABLE, descriptor_note
from pfgvm.settings import MODEL_NAMES

_ACCURACIES = ["test_accuracy", "train_accuracy", "validation_accuracy"]
_MEASURES = ["l2", "mssim", "mssim_legacy", "mr"]
SEEDS_COLUMNS = ["seed", "model", "method", *_MEASURES, *_ACCURACIES]
_SUMMARY = ("mean", "low", "high")
# The range of each mean, which bounds its interval; the others are rates.
_BOUNDS = {"l2": (0.0, math.inf), "mssim": (-1.0, 1.0), "mssim_legacy": (-1.0, 1.0)}


def of_one_seed(seed: int, scores: pd.DataFrame, records: Sequence[TrainingRecord]) -> pd.DataFrame:
    """The float rows of Table 3 from `scores`, with the accuracies of Table 4: SEEDS_COLUMNS.

    scores: as for pfgvm.report.table_data.results. records: of every model's training.
    """
    table3 = results(scores, {record.model: record.descriptor for record in records})
    accuracies = pd.DataFrame([record.model_dump(include={"model", *_ACCURACIES}) for record in records])
    merged = table3[table3["pixels"] == "float"].merge(accuracies, on="model").assign(seed=str(seed))
    return merged[SEEDS_COLUMNS]


def with_summary(seeds: pd.DataFrame) -> pd.DataFrame:
    """The rows of all `seeds`, then for each model and method the rows `mean`, `low` and `high` of the column `seed`.

    These are the mean over the seeds and its 95 % interval (Student's t, clipped to the range of the measure).
    """
    groups = seeds.groupby(["model", "method"], sort=False)
    rows = []
    for i, name in enumerate(_SUMMARY):
        for (model, method), group in groups:
            values = {column: _over_runs(column, group[column])[i] for column in [*_MEASURES, *_ACCURACIES]}
            rows.append({"seed": name, "model": model, "method": method, **values})
    return pd.concat([seeds, pd.DataFrame(rows, columns=SEEDS_COLUMNS)], ignore_index=True)


def seeds_tables(seeds: pd.DataFrame, paper: Mapping, descriptors: Mapping[str, str]) -> list[FormattedTable]:
    """Tables 3 and 4 with 95 % intervals over the seeds; seeds: from `with_summary`."""
    runs = seeds[~seeds["seed"].isin(_SUMMARY)]
    count = runs["seed"].nunique()
    caption = f"Mean over {count} seeds and its 95 % CI (Student's t), above the paper's values."
    return [_table3(runs, paper, descriptors, caption), _table4(runs, paper, descriptors, caption)]


def _table3(runs: pd.DataFrame, paper: Mapping, descriptors: Mapping[str, str], caption: str) -> FormattedTable:
    values = {key: group.set_index("seed")[list(MEASURES)] for key, group in runs.groupby(["model", "method"])}
    lines = []
    for method in PAPER_METHODS:
        cells = [_cells(values.get((model, method)), MEASURES) for model in MODEL_NAMES]
        printed = [paper["table3"][model][method] for model in MODEL_NAMES]
        published = [[f"{p['l2']:.2f}", f"{p['si']:.3f}", f"{100 * p['mr']:.1f} %"] for p in printed]
        lines += _three_lines(method, cells, published)
    for baseline in BASELINES:
        cells = [_gains(values.get((model, PROPOSED)), values.get((model, baseline))) for model in MODEL_NAMES]
        printed = [paper["table3_improvement"][model][baseline].values() for model in MODEL_NAMES]
        lines += _three_lines(
            f"Improvement over {baseline}", cells, [[f"{value:.1f} %" for value in row] for row in printed]
        )
    return FormattedTable(
        "table:seeds",
        "Table 3 over seeds",
        f"{caption} {descriptor_note(descriptors)}",
        columns=TABLE3_HEADINGS,
        rows=lines,
        left=2,
        notes=(
            "A seed sets identities, images, split, initial weights, order of batches, dropout and targets.",
            f"{SI_NOTE}.",
            *([NOT_COMPARABLE_NOTE] if any(NOT_COMPARABLE in line for line in lines) else []),
        ),
    )


def _table4(runs: pd.DataFrame, paper: Mapping, descriptors: Mapping[str, str], caption: str) -> FormattedTable:
    # The rows of all methods repeat their model's accuracies.
    by_model = {model: rows.groupby("seed")[_ACCURACIES].first() for model, rows in runs.groupby("model")}
    names = {"train_accuracy": "Training", "validation_accuracy": "Validation", "test_accuracy": "Test"}
    formats = dict.fromkeys(names, (1, 100.0, " %"))
    cells = [_cells(by_model.get(model), formats) for model in MODEL_NAMES]
    lines = []
    for i, (accuracy, name) in enumerate(names.items()):
        printed = [paper["table4"][model].get(accuracy) for model in MODEL_NAMES]
        published = [[MISSING if value is None else f"{100 * value:.1f} %"] for value in printed]
        lines += _three_lines(f"{name} accuracy", [[cell[i]] for cell in cells], published)
    return FormattedTable(
        "table:seeds-training",
        "Table 4 over seeds",
        f"{caption} {descriptor_note(descriptors)}",
        columns=[("", ""), ("", "")] + [("", f"Model {model}") for model in MODEL_NAMES],
        rows=lines,
        left=2,
    )


Cell = tuple[str, str]


def _three_lines(title: str, ours: list[list[Cell]], published: list[list[str]]) -> list[list[str]]:
    cells = [cell for model in ours for cell in model]
    return [
        [title, "ours", *[middle for middle, _ in cells]],
        ["", "95 %", *[ends for _, ends in cells]],
        ["", "paper", *[value for model in published for value in model]],
    ]


def _cells(values: pd.DataFrame | None, formats: Mapping[str, tuple[int, float, str]]) -> list[Cell]:
    if values is None:
        return [(MISSING, MISSING)] * len(formats)
    return [_cell(_over_runs(name, values[name]), *form) for name, form in formats.items()]


def _over_runs(name: str, values: pd.Series) -> tuple[float, float, float]:
    middle, low, high = mean_over_runs(list(values))
    least, most = _BOUNDS.get(name, (0.0, 1.0))
    return middle, max(low, least), min(high, most)


def _cell(ends: tuple[float, float, float], digits: int, factor: float, unit: str) -> Cell:
    middle, low, high = (number(factor * value, digits) for value in ends)
    return middle + unit, f"{low} to {high}"


def _gains(proposed: pd.DataFrame | None, baseline: pd.DataFrame | None) -> list[Cell]:
    if proposed is None or baseline is None:
        return [(MISSING, MISSING)] * len(MEASURES)
    if baseline["mr"].mean() < COMPARABLE * proposed["mr"].mean():
        return [(NOT_COMPARABLE, NOT_COMPARABLE)] * len(MEASURES)
    gains = 100 * (proposed - baseline) / baseline
    gains["l2"] *= -1
    return [_cell(mean_over_runs(list(gains[name])), 1, 1.0, " %") for name in MEASURES]

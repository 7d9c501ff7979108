"""Comparison of runs: differing settings, and results with intervals."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pfgvm.evaluation.statistics import (
    difference_of_means,
    difference_of_rates,
    interval,
    mean,
    mean_over_clusters,
)
from pfgvm.methods import place
from pfgvm.report.formatted_table import MISSING
from pfgvm.report.table3 import MEASURES
from pfgvm.settings import MODEL_NAMES

ACCURACY = "test_accuracy"
COMPARED_COLUMNS = [
    "model", "method", "measure", "run", "value", "low", "high", "difference", "difference_low", "difference_high",
    "paired",
]  # fmt: skip
_OF_FIRST = (math.nan, math.nan, math.nan, "")
_ABSENT = object()


@dataclass(frozen=True)
class Run:
    """One run of the pipeline.

    name: given by the user. commit: abbreviated; "" for uncommitted files. settings: params.yaml as parsed. summary:
    from pfgvm.report.run_summary. training: the rows of pfgvm.report.table_data.training. scores: as for
    pfgvm.report.table_data.results. faces: the checksum of each face's file, by image. weights: the checksum of each
    model's weights, by model.
    """

    name: str
    commit: str
    settings: Mapping[str, Any]
    summary: Mapping[str, Any]
    training: Sequence[Mapping[str, Any]]
    scores: pd.DataFrame
    faces: Mapping[str, int]
    weights: Mapping[str, str]

    def sets(self, pixels: str) -> dict[tuple[str, str], pd.DataFrame]:
        """The scores of the images in the format `pixels`, indexed by image, for each model and method.

        Further columns: `mr`, 1.0 for a misclassified image, else 0.0; `face`, the checksum of the image's file.
        """
        rows = self.scores[self.scores["pixels"] == pixels]
        misclassified = (rows["predicted"] != rows["person"]).astype(float)
        rows = rows.assign(mr=misclassified, face=rows["image"].map(self.faces)).set_index("image").sort_index()
        return {(str(model), str(method)): group for (model, method), group in rows.groupby(["model", "method"])}


def differing_settings(runs: Sequence[Run]) -> dict[str, list[str]]:
    """The settings that differ: by dotted key the values as text, one a run; a dash for a missing setting.

    One number for both models equals that number for each model.
    """
    differing = _differing("", [run.settings for run in runs])
    return {key: [_as_text(value) for value in values] for key, values in differing}


def _differing(key: str, values: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    mappings = [value for value in values if isinstance(value, Mapping)]
    if mappings:
        for name in dict.fromkeys(name for mapping in mappings for name in mapping):
            parts = [value.get(name, _ABSENT) if isinstance(value, Mapping) else value for value in values]
            yield from _differing(f"{key}.{name}".removeprefix("."), parts)
    elif any(value != values[0] for value in values):
        yield key, values


def _as_text(value: Any) -> str:
    if value is _ABSENT:
        return MISSING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def compared(runs: Sequence[Run]) -> pd.DataFrame:
    """The results of each run, and the difference of each later run from the first: COMPARED_COLUMNS.

    One row a model, method, measure and run, for methods of the first run and at least one other. `measure` is one of
    Table 3, from the float images, or, without a method, `test_accuracy`. `low` and `high` are the 95 % interval of
    `value`: Wilson's for a rate, by bootstrap over identities for a mean.

    `difference` is the run's value minus the first run's, with its 95 % interval; NaN for the first run. If both runs
    attacked the same images of the same identities, `paired` is "yes" and the interval is from the differences by
    image, by bootstrap over identities. Otherwise `paired` is "no" and the identities of the runs are drawn
    independently. The interval for test accuracies is Newcombe's, or 0 if both runs have the same model.
    """
    sets = [run.sets("float") for run in runs]
    present = {method for _, method in sets[0]}
    methods = sorted(present, key=place)
    rows: list[tuple] = []
    for key in ((model, method) for model in MODEL_NAMES for method in methods):
        scores = [(run, run_sets[key]) for run, run_sets in zip(runs, sets, strict=True) if key in run_sets]
        if len(scores) < 2 or scores[0][0] is not runs[0]:
            continue
        first = scores[0][1]
        for measure in MEASURES:
            for run, images in scores:
                less = _OF_FIRST if images is first else _less(images, first, measure)
                rows.append((*key, measure, run.name, *_value(images, measure), *less))
    return pd.DataFrame([*rows, *_accuracies(runs)], columns=COMPARED_COLUMNS)


def _value(rows: pd.DataFrame, measure: str) -> tuple[float, float, float]:
    values = list(rows[measure])
    if measure == "mr":
        return mean(values), *interval(int(sum(values)), len(values))
    return mean_over_clusters(values, list(rows["person"]))


def _less(rows: pd.DataFrame, first: pd.DataFrame, measure: str) -> tuple[float, float, float, str]:
    values, persons = rows[measure], list(rows["person"])
    if rows[["person", "face"]].equals(first[["person", "face"]]):
        return *mean_over_clusters(list(values - first[measure]), persons), "yes"
    return *difference_of_means(list(values), persons, list(first[measure]), list(first["person"])), "no"


def _accuracies(runs: Sequence[Run]) -> Iterator[tuple]:
    trained = [{row["model"]: row for row in run.training} for run in runs]
    for model in MODEL_NAMES:
        records = [(run, by_model[model]) for run, by_model in zip(runs, trained, strict=True) if model in by_model]
        if len(records) < 2 or records[0][0] is not runs[0]:
            continue
        counts = [(round(row[ACCURACY] * row["test_size"]), row["test_size"]) for _, row in records]
        for (run, row), tested in zip(records, counts, strict=True):
            if run is runs[0]:
                less: tuple = _OF_FIRST
            elif run.weights[model] == runs[0].weights[model]:
                less = (0.0, 0.0, 0.0, "yes")
            else:
                less = (*difference_of_rates(*tested, *counts[0]), "no")
            yield (model, "", ACCURACY, run.name, row[ACCURACY], *interval(*tested), *less)

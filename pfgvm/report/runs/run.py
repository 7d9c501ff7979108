"""Runs held against each other: which settings differ, and what came out under each, with intervals."""

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

    name: what its user calls it. commit: abbreviated; "" where no commit holds its files. settings: params.yaml as
    parsed. summary: from pfgvm.report.run_summary. training: the rows of pfgvm.report.table_data.training. scores: as
    for pfgvm.report.table_data.results. faces: a checksum of each face's file, by image. weights: one of each
    model's, by model.
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
        """By model and method the scores of the images in the format `pixels`, by image.

        With `mr`, 1 where the model errs, else 0, and `face`, the checksum of the image's file.
        """
        own = self.scores[self.scores["pixels"] == pixels]
        missed = (own["predicted"] != own["person"]).astype(float)
        rows = own.assign(mr=missed, face=own["image"].map(self.faces)).set_index("image").sort_index()
        return {(str(model), str(method)): group for (model, method), group in rows.groupby(["model", "method"])}


def differing_settings(runs: Sequence[Run]) -> dict[str, list[str]]:
    """By dotted key the settings whose values differ, as text, one a run; a dash where a run has no such setting.

    One number for both models counts as that number for each.
    """
    found = _differing("", [run.settings for run in runs])
    return {key: [_written(value) for value in values] for key, values in found}


def _differing(key: str, values: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    mappings = [value for value in values if isinstance(value, Mapping)]
    if mappings:
        for name in dict.fromkeys(name for mapping in mappings for name in mapping):
            parts = [value.get(name, _ABSENT) if isinstance(value, Mapping) else value for value in values]
            yield from _differing(f"{key}.{name}".removeprefix("."), parts)
    elif any(value != values[0] for value in values):
        yield key, values


def _written(value: Any) -> str:
    if value is _ABSENT:
        return MISSING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def compared(runs: Sequence[Run]) -> pd.DataFrame:
    """What came out under each run, and each later run's value less the first's: COMPARED_COLUMNS.

    One row a model, method, measure and run, of the methods that the first run and another have. `measure` is one of
    Table 3's form, from the float images, or, without a method, `test_accuracy`. `low` and `high` are the 95 % interval
    of `value`: Wilson's of a rate, and of a mean by bootstrap over persons. `difference` has its own. Where both runs
    attacked the same images of the same persons, `paired` is "yes", and it comes from the differences image by image
    by bootstrap over persons; else `paired` is "no", and either run's persons are drawn for themselves. That of test
    accuracies is Newcombe's, or 0 where both runs have the very same model. The first run has no difference.
    """
    sets = [run.sets("float") for run in runs]
    present = {method for _, method in sets[0]}
    methods = sorted(present, key=place)
    rows: list[tuple] = []
    for key in ((model, method) for model in MODEL_NAMES for method in methods):
        having = [(run, own[key]) for run, own in zip(runs, sets, strict=True) if key in own]
        if len(having) < 2 or having[0][0] is not runs[0]:
            continue
        first = having[0][1]
        for measure in MEASURES:
            for run, own in having:
                less = _OF_FIRST if own is first else _less(own, first, measure)
                rows.append((*key, measure, run.name, *_value(own, measure), *less))
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
        having = [(run, own[model]) for run, own in zip(runs, trained, strict=True) if model in own]
        if len(having) < 2 or having[0][0] is not runs[0]:
            continue
        counts = [(round(row[ACCURACY] * row["test_size"]), row["test_size"]) for _, row in having]
        for (run, row), tested in zip(having, counts, strict=True):
            if run is runs[0]:
                less: tuple = _OF_FIRST
            elif run.weights[model] == runs[0].weights[model]:
                less = (0.0, 0.0, 0.0, "yes")
            else:
                less = (*difference_of_rates(*tested, *counts[0]), "no")
            yield (model, "", ACCURACY, run.name, row[ACCURACY], *interval(*tested), *less)

"""Tables 1 to 4 as numbers: plain frames from the settings, the scores and the training records."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import pandas as pd

from pfgvm.errors import InputError
from pfgvm.methods import LABELS
from pfgvm.settings import MODEL_NAMES as MODELS
from pfgvm.settings import Settings

PAPER_METHODS = ("P-FGVM", "I-FGVM", "I-FGSM")
METHODS = tuple(LABELS.values())
PIXELS = ("float", "8bit")

TABLE1_COLUMNS = ["model", "layer", "output", "parameters"]
TABLE3_COLUMNS = [
    "model", "descriptor", "method", "pixels", "images", "l2", "mssim", "mssim_legacy",
    "mr", "mr_correct", "mr_test", "target_rate", "clean_error",
]  # fmt: skip
TABLE4_COLUMNS = [
    "model", "descriptor", "dataset", "image_height", "image_width", "classes", "images",
    "train_size", "validation_size", "test_size", "learning_rate", "batch_size", "epochs", "epoch_used",
    "train_accuracy", "validation_accuracy", "test_accuracy",
]  # fmt: skip


def architecture(records: Sequence[Mapping]) -> pd.DataFrame:
    """Table 1: one row a layer of each training record, in TABLE1_COLUMNS."""
    rows = [{"model": record["model"], **layer} for record in records for layer in record["layers"]]
    return pd.DataFrame(rows, columns=TABLE1_COLUMNS)


def attack_parameters(settings: Settings) -> pd.DataFrame:
    """Table 2 as set: one row a model and attack; columns model, method, step_size, iterations, epsilon, lambda;
    None where there is none.
    """
    attack = settings.attack
    rows = []
    for m in MODELS:
        p, v, s = attack.p_fgvm, attack.i_fgvm, attack.i_fgsm
        rows.append((m, "P-FGVM", p.step_size[m], p.iterations[m], None, attack.penalty[m]))
        rows.append((m, "I-FGVM", v.step_size[m], v.iterations[m], v.epsilon[m], None))
        rows.append((m, "I-FGSM", "ε/N", s.iterations[m], s.epsilon[m], None))
    return pd.DataFrame(rows, columns=["model", "method", "step_size", "iterations", "epsilon", "lambda"])


def training(records: Sequence[Mapping]) -> pd.DataFrame:
    """Table 4: one row a training record, in TABLE4_COLUMNS; `classes` is a number, accuracies are in [0, 1]."""
    rows = [{**record, "classes": len(record["classes"])} for record in records]
    return pd.DataFrame(rows, columns=TABLE4_COLUMNS)


def results(scores: pd.DataFrame, descriptors: Mapping[str, str]) -> pd.DataFrame:
    """Table 3: means over the images, one row a model, method and pixel format, in TABLE3_COLUMNS.

    scores: one row an image, model, method and pixel format, persons and predictions as strings.
    descriptors: the descriptor's name by model. Rates are in [0, 1]: `mr` counts predicted != person over all
    images, `mr_correct` over those that the model names rightly when clean, `mr_test` over the test split,
    `target_rate` counts predicted == target, `clean_error` predicted_clean != person. A rate over no image
    is NaN. Raises InputError where a label is not one of MODELS, METHODS and PIXELS.
    """
    for column, known in (("model", MODELS), ("method", METHODS), ("pixels", PIXELS)):
        if unknown := sorted(set(scores[column]) - set(known)):
            raise InputError(f"the scores name the {column} {unknown[0]!r}; known are {', '.join(known)}.")
    groups = dict(iter(scores.groupby(["model", "method", "pixels"], sort=False)))
    order = [(model, method, pixels) for model in MODELS for method in METHODS for pixels in PIXELS]
    rows = [_summary(key, groups[key], descriptors) for key in order if key in groups]
    return pd.DataFrame(rows, columns=TABLE3_COLUMNS)


def _summary(key: tuple[str, str, str], group: pd.DataFrame, descriptors: Mapping[str, str]) -> dict:
    model, method, pixels = key
    missed = group["predicted"] != group["person"]
    correct = group["predicted_clean"] == group["person"]
    return {
        "model": model,
        "descriptor": descriptors[model],
        "method": method,
        "pixels": pixels,
        "images": len(group),
        "l2": mean(group["l2"]),
        "mssim": mean(group["mssim"]),
        "mssim_legacy": mean(group["mssim_legacy"]),
        "mr": mean(missed),
        "mr_correct": mean(missed[correct]),
        "mr_test": mean(missed[group["split"] == "test"]),
        "target_rate": mean(group["predicted"] == group["target"]),
        "clean_error": mean(~correct),
    }


def mean(values: Iterable[float]) -> float:
    """The mean, or NaN of nothing; summed exactly, so that the last digit is the same on every machine."""
    values = [float(value) for value in values]
    return math.fsum(values) / len(values) if values else math.nan


def improvement(proposed: str, baseline: str, *, smaller_is_better: bool) -> Decimal | None:
    """By how many per cent `proposed` beats `baseline`, both as printed (Table 3, "Percentage Improvement").

    (baseline - proposed) / baseline for L2, (proposed - baseline) / baseline for SI and MR, not rounded;
    None where the baseline is zero.
    """
    proposed, baseline = Decimal(proposed), Decimal(baseline)
    if not baseline:
        return None
    gain = baseline - proposed if smaller_is_better else proposed - baseline
    return 100 * gain / baseline


def wilson_interval(rate: float, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval, in [0, 1], for a rate seen over `count` > 0 images (Wilson 1927)."""
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    centre = rate + z * z / (2 * count)
    reach = z * math.sqrt(rate * (1 - rate) / count + (z / (2 * count)) ** 2)
    scale = 1 + z * z / count
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


def metrics(table3: pd.DataFrame, table4: pd.DataFrame) -> dict[str, dict]:
    """What to compare between runs: by model, its test accuracy and by method the float row of Table 3.

    Six significant digits; what is NaN is left out.
    """
    summary = {row["model"]: _rounded(row, ["test_accuracy"]) for row in table4.to_dict("records")}
    for row in table3[table3["pixels"] == "float"].to_dict("records"):
        cell = _rounded(row, ["l2", "mssim", "mssim_legacy", "mr", "target_rate"])
        summary.setdefault(row["model"], {})[row["method"]] = cell
    return summary


def _rounded(row: Mapping, names: Sequence[str]) -> dict[str, float]:
    return {name: float(f"{row[name]:.6g}") for name in names if not math.isnan(row[name])}


def examples(scores: pd.DataFrame, model: str, count: int = 2) -> pd.DataFrame:
    """The images that Figure 1 shows of one model: at most `count` rows of its P-FGVM scores, best first.

    Of different persons; rightly named when clean and de-identified before others, then the test split
    before others, then by file name.
    """
    rows = scores[(scores["model"] == model) & (scores["method"] == "P-FGVM") & (scores["pixels"] == "float")]
    protected = (rows["predicted_clean"] == rows["person"]) & (rows["predicted"] != rows["person"])
    ranks = pd.DataFrame({"worse": ~protected, "seen": rows["split"] != "test", "image": rows["image"]})
    ranked = rows.loc[ranks.sort_values(["worse", "seen", "image"]).index]
    return ranked.drop_duplicates("person").head(count)

"""Robustness to post-processing, counted by hand."""

import math

import pytest

from pfgvm.evaluation.findings.robustness_rates import ROBUSTNESS_COLUMNS, robustness
from pfgvm.evaluation.statistics import interval
from tests.hand_made_sets import ATTACKED, KNOWN, UNKNOWN, Persons, evaluated, rows


def test_robustness_counted_by_hand():
    # Other programs read the columns by their place.
    assert ROBUSTNESS_COLUMNS == "model method transform images mr low high target_rate mssim".split()
    values = {
        "PNG": {"predicted_A": list("bbab"), "mssim": [0.9, 0.8, 0.7, 0.6], "near": [0.5, 1.4, 25, 20]},
        "JPEG 50": {"predicted_A": list("aaab"), "mssim": [1, 1, 1, 0.9], "near": [0, 1, 10, 11]},
    }
    parts = [rows(view, ATTACKED, target=list("bbaa"), **columns) for view, columns in values.items()]
    table = robustness([evaluated("P-FGVM", *parts[::-1])], ["PNG", "JPEG 50"], Persons(), [KNOWN])
    assert list(table) == [*ROBUSTNESS_COLUMNS, "near_tmr", "near_low", "near_high"]
    png, jpeg = table.to_dict("records")
    of_set = {"model": "A", "method": "P-FGVM", "images": 4}
    png_ends, jpeg_ends = (dict(zip(("low", "high"), interval(missed, 4), strict=True)) for missed in (3, 1))
    assert png == pytest.approx(
        of_set | png_ends | {"transform": "PNG", "mr": 0.75, "target_rate": 0.75, "mssim": 0.75}
        | {"near_tmr": 0.25, "near_low": 0, "near_high": 0.5}
    )  # fmt: skip
    assert jpeg == pytest.approx(
        of_set | jpeg_ends | {"transform": "JPEG 50", "mr": 0.25, "target_rate": 0.25, "mssim": 0.975}
        | {"near_tmr": 0.75, "near_low": 0.75, "near_high": 0.75}
    )  # fmt: skip


def test_without_targets_or_thresholds_their_rates_are_missing():
    image_set = evaluated("Other tool", rows("PNG", "a1 b1", predicted_B=["a", "a"], near=[0, 10]), model="B")
    [row] = robustness([image_set], ["PNG"], Persons(), [UNKNOWN]).to_dict("records")
    assert row["mr"] == 0.5 and math.isnan(row["target_rate"])
    assert all(math.isnan(row[name]) for name in ("near_tmr", "near_low", "near_high"))

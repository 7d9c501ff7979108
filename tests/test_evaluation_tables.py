"""The evaluation in the report: the summary, its claims, and the tables."""

import math
from typing import Any

import pandas as pd
import pytest

from pfgvm.evaluation.findings.adaptive_attackers import ADAPTIVE_COLUMNS
from pfgvm.evaluation.findings.l2_ratios import MINIMUM_NORM_COLUMNS
from pfgvm.evaluation.findings.mean_quality import QUALITY_COLUMNS
from pfgvm.evaluation.findings.per_identity import RECOGNISED_PERSONS_COLUMNS
from pfgvm.evaluation.findings.recognition_rates import RECOGNITION_COLUMNS
from pfgvm.evaluation.findings.robustness_rates import ROBUSTNESS_COLUMNS
from pfgvm.evaluation.findings.trade_off import EQUAL_MR_COLUMNS
from pfgvm.evaluation.findings.transfer import TRANSFER_COLUMNS
from pfgvm.report.evaluation.evaluation_tables import evaluation_tables
from pfgvm.report.evaluation.summary import claims, summary_table
from pfgvm.report.formatted_table import FormattedTable
from tests.committed import committed_table

COLUMNS = {
    "recognition": RECOGNITION_COLUMNS,
    "transfer": TRANSFER_COLUMNS,
    "robustness": [*ROBUSTNESS_COLUMNS, "dlib_tmr", "dlib_low", "dlib_high", "mine_tmr", "mine_low", "mine_high"],
    "adaptive": ADAPTIVE_COLUMNS,
    "minimum_norm": MINIMUM_NORM_COLUMNS,
    "equal_mr": EQUAL_MR_COLUMNS,
    "quality": QUALITY_COLUMNS,
    "recognised_persons": RECOGNISED_PERSONS_COLUMNS,
}
NOTE = "needs 3,000 pairs of other persons; there are 20"
NO_THRESHOLD: dict[str, Any] = dict.fromkeys(
    ("threshold", "tmr_clean", "tmr_protected", "low", "high", "tmr_both", "drop_over_random", "drop_low", "drop_high"),
    math.nan,
) | {"note": NOTE}


def tables(**rows: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """All tables; those that are not named have no rows, and a column that a row does not name is missing."""
    return {name: pd.DataFrame(rows.get(name, []), columns=columns) for name, columns in COLUMNS.items()}


def recognised(method: str = "P-FGVM", model: str = "A", recogniser: str = "dlib", **changes: Any) -> dict[str, Any]:
    """A row of recognition.csv: a black-box recogniser at FMR 1 %."""
    row = {
        "model": model, "method": method, "recogniser": recogniser, "seen": False, "fmr": 0.01, "threshold": 0.5,
        "tmr_clean": 0.8, "tmr_protected": 0.7, "low": 0.6, "high": 0.75, "tmr_both": 0.65, "drop_over_random": 0.05,
        "drop_low": -0.01, "drop_high": 0.1, "rank1_clean": 0.9, "rank1_protected": 0.85, "found": 1.0, "images": 60,
        "rank5_protected": 0.95, "note": "",
    }  # fmt: skip
    return row | changes


def claimed(*rows: dict[str, Any]) -> list[str]:
    return claims(tables(recognition=list(rows)))


def only(name: str, *rows: dict[str, Any]) -> FormattedTable:
    [table] = evaluation_tables(tables(**{name: list(rows)}))
    assert all(len(row) == len(table.columns) for row in table.rows)
    return table


# ── The claims ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("clean", "protected", "words"),
    [
        (0.8, 0.0, "protects"),
        (0.8, 0.08, "protects"),
        (0.8, 0.09, "protects in part"),
        (0.5, 0.25, "protects in part"),
        (0.5, 0.26, "protects little"),
        (0.8, 0.72, "protects little"),
        (0.8, 0.73, "does not protect"),
        # By chance, protected images can match more often; a clean rate of 0 cannot fall.
        (0.8, 0.85, "does not protect"),
        (0.0, 0.0, "does not protect"),
    ],
)
def test_the_words_follow_from_the_smaller_loss_of_tmr_and_rank_1(clean: float, protected: float, words: str):
    rates = (f"{100 * protected:.1f} %", f"{100 * clean:.1f} %")
    [by_tmr] = claimed(recognised(tmr_clean=clean, tmr_protected=protected, rank1_protected=0.0))
    [by_rank] = claimed(recognised(rank1_clean=clean, rank1_protected=protected, tmr_protected=0.0))
    assert by_tmr.startswith(f"P-FGVM {words}: dlib's ") and by_rank.startswith(f"P-FGVM {words}: dlib's ")
    assert "TMR at FMR 1 %" in by_tmr and all(rate in by_tmr for rate in rates)
    # Where both losses have the same word, the claim states the TMR.
    assert ("rank-1" in by_rank) == (words != "protects")


def test_the_black_box_recogniser_with_the_highest_tmr_decides():
    rows = [
        recognised(tmr_protected=0.01),
        recognised(model="B", recogniser="sface", tmr_protected=0.79),
        recognised(model="B", seen=True, tmr_protected=0.8),
        recognised(fmr=0.001, tmr_protected=0.8),
        recognised("I-FGVM", tmr_protected=0.8),
    ]
    for ordered in (rows, rows[::-1]):
        [claim] = claimed(*ordered)
        assert claim.startswith("P-FGVM does not protect: SFace's ") and "79.0 %" in claim


def test_each_proposed_method_has_one_short_claim():
    rows = [recognised("P-FGVM (features)", rank1_protected=0.4, tmr_protected=0.0), recognised()]
    assert [claim.split(":")[0] for claim in claimed(*rows)] == [
        "P-FGVM does not protect",
        "P-FGVM (features) protects in part",
    ]
    assert claimed() == [] and claimed(recognised("I-FGVM"), recognised(seen=True)) == []


def test_without_a_threshold_the_claim_states_why_and_the_fix():
    stricter = recognised(**NO_THRESHOLD | {"fmr": 0.001, "note": NOTE.replace("3,000", "30,000")})
    [claim] = claimed(recognised(**NO_THRESHOLD), recognised(recogniser="sface", **NO_THRESHOLD), stricter)
    assert NOTE in claim and "identities" in claim and "evaluation.calibration" in claim and "protects" not in claim


# ── The summary ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_summary_has_the_proposed_methods_and_the_noise_control_on_black_box_recognisers():
    rows = [
        recognised("Random (equal L2)", tmr_protected=0.8),
        recognised(),
        recognised("P-FGVM (features)", recogniser="sface"),
        recognised("k-Same"),
        recognised(fmr=0.001),
        recognised(model="B", seen=True),
        recognised(model="B", recogniser="sface", tmr_protected=0.6),
        # The same images as on Model A.
        recognised("P-FGVM (features)", "B", "sface"),
    ]
    table = summary_table(tables(recognition=rows)["recognition"])
    assert [(*row[:3], row[4]) for row in table.rows] == [
        ("A", "P-FGVM", "dlib", "70.0"),
        ("B", "P-FGVM", "SFace", "60.0"),
        ("A, B", "P-FGVM (features)", "SFace", "70.0"),
        ("A", "Random (equal L2)", "dlib", "80.0"),
    ]
    assert summary_table(tables()["recognition"]).rows == []


@pytest.mark.parametrize("folder", ["celeba", "evaluation"])
def test_the_committed_evaluations_have_a_summary_and_short_claims(folder: str):
    recognition = committed_table(f"reports/{folder}/recognition.csv")
    table, sentences = summary_table(recognition), claims({"recognition": recognition})
    assert {row[1] for row in table.rows} == {
        "P-FGVM", "P-FGVM (features)", "P-FGVM (shape)", "P-FGVM (shape, strong)", "Random (equal L2)",
        "Random (equal shape)",
    }  # fmt: skip
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert len(sentences) == 4 and all(len(sentence.split()) <= 25 for sentence in sentences)
    assert sentences[0].startswith("P-FGVM does not protect: ")


# ── The tables ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_tables_come_in_order_and_those_without_rows_are_left_out():
    names = ("transfer", "adaptive", "equal_mr", "quality", "recognition")
    committed = {name: committed_table(f"reports/celeba/{name}.csv") for name in names}
    shown = evaluation_tables(tables() | committed)
    assert [table.label for table in shown] == [
        "table:recognition", "table:transfer", "table:adaptive", "table:equal-mr", "table:quality", "table:visibility",
    ]  # fmt: skip
    assert all(len(row) == len(table.columns) for table in shown for row in table.rows)
    assert not any("nan" in cell for table in shown for row in table.rows for cell in row)
    assert evaluation_tables(tables()) == []


def test_the_table_of_recognition():
    row = recognised(drop_over_random=-0.0213, drop_low=-0.05, drop_high=0.004)
    table = only("recognition", row, recognised(model="B", seen=True), recognised(fmr=0.001, note=NOTE))
    assert dict(zip(table.names[3:7], table.rows[0][3:7], strict=True)) == {
        "TMR clean": "80.0", "TMR protected": "70.0", "95 % CI": "60.0 to 75.0", "Drop vs. noise (points)": "−2.1",
    }  # fmt: skip
    assert table.rows[0][7:] == ["−5.0 to 0.4", "90.0", "85.0", "95.0", "65.0", "100.0"]
    # Stricter rates are in the CSV alone.
    assert [row[2] for row in table.rows] == ["dlib", "dlib (white-box)"]
    assert not any(NOTE in note for note in table.notes)


def test_a_missing_threshold_leaves_a_dash_and_a_note():
    table = only("recognition", recognised(**NO_THRESHOLD), recognised(recogniser="sface", **NO_THRESHOLD))
    assert table.rows[0][3:] == ["–", "–", "–", "–", "–", "90.0", "85.0", "95.0", "–", "100.0"]
    assert len([note for note in table.notes if NOTE in note]) == 1


def test_the_table_of_transfer():
    row = {
        "model": "A", "method": "DDN", "judge": "B", "mr": 0.125, "low": 0.1, "high": 0.2, "clean_error": 0.0333,
    }  # fmt: skip
    assert only("transfer", row).rows == [["A", "DDN", "Model B", "12.5", "10.0 to 20.0", "–", "3.3"]]


def test_the_table_of_robustness_has_a_column_for_each_transform_and_the_highest_tmr():
    row = {"model": "A", "method": "X", "transform": "PNG", "mr": 1, "dlib_tmr": 0.5}
    table = only("robustness", row, row | {"transform": "JPEG 50", "mr": 0.301, "dlib_tmr": 0.75})
    assert table.columns[2:] == [
        ("MR after", "PNG"), ("MR after", "JPEG 50"), ("Highest TMR", "dlib"), ("Highest TMR", "mine"),
    ]  # fmt: skip
    assert table.rows == [["A", "X", "100.0", "30.1", "75.0 (JPEG 50)", "–"]]


def test_the_table_of_adaptive_attackers_has_a_column_for_each():
    row = {"model": "A", "method": "X", "recogniser": "", "note": ""}
    reached = {"accuracy_protected": 0.5, "low": 0.4, "high": 0.6}
    rows = [
        row | reached | {"attacker": "retrained", "share": 0.25, "recogniser": "sface"},
        row | {"attacker": "growing gallery", "recogniser": "sface", "note": NOTE},
        row | reached | {"attacker": "median 3x3"},
        row | {"attacker": "detector", "auc": 0.9, "auc_low": 0.8125, "auc_high": 0.95},
        row | reached | {"attacker": "retrained", "share": 0.25, "recogniser": "dlib"},
        # A single identity gives no interval.
        row | {"method": "Y", "attacker": "detector", "auc": 0.5},
    ]
    table = only("adaptive", *rows)
    assert table.columns[2:] == [
        ("Retrained (25 %)", "SFace"), ("Retrained (25 %)", "dlib"), ("Growing gallery", "SFace"),
        ("Purified", "median 3x3"), ("Detector", "AUC"),
    ]  # fmt: skip
    half = "50.0 (40.0 to 60.0)"
    assert [line[2:] for line in table.rows] == [
        [half, half, "–", half, "0.900 (0.812 to 0.950)"],
        ["–", "–", "–", "–", "0.500"],
    ]
    assert NOTE in table.notes[-1]


def test_the_table_of_minimum_norm_attacks():
    row = {"model": "A", "method": "P-FGVM", "images": 45, "reached": 0.75, "l2": 3.0, "l2_best": 2.4, "excess": 0.6}
    some, unchanged = row | {"low": 0.5, "high": 0.7}, row | {"l2": 0.0, "l2_best": 0.0, "excess": 0.0}
    assert [line[2:] for line in only("minimum_norm", some, unchanged).rows] == [
        ["45", "75.0", "3.000", "2.400", "1.25", "0.600", "0.500 to 0.700"],
        ["45", "75.0", "0.000", "0.000", "–", "0.000", "–"],
    ]


def test_the_table_at_equal_mr():
    row = {"model": "A", "method": "P-FGVM", "other": "I-FGSM", "mr": 0.95, "other_l2": 2.5, "other_mssim_legacy": 0.97}
    rows = [row | {"l2": 1.25, "mssim_legacy": 0.99}, row | {"l2": math.nan, "mssim_legacy": math.nan}]
    assert [line[2:] for line in only("equal_mr", *rows).rows] == [
        ["I-FGSM", "95.0", "1.25", "2.50", "0.990", "0.970"],
        ["I-FGSM", "95.0", "–", "2.50", "–", "0.970"],
    ]


def test_the_table_of_quality_has_a_column_for_each_measured_metric():
    row = {"model": "A", "method": "X", "mssim": 0.98765, "mssim_low": 0.9, "mssim_high": 1.0}
    score = {"ssimulacra2": -20.04, "ssimulacra2_low": -21, "ssimulacra2_high": -19}
    table = only("quality", row | score, row)
    assert table.names[2:] == ["image", "SSIMULACRA2"]
    assert [line[2:] for line in table.rows] == [
        ["0.988 (0.900 to 1.000)", "−20.0 (−21.0 to −19.0)"],
        ["0.988 (0.900 to 1.000)", "–"],
    ]


def test_the_table_of_visibility_shows_the_face_from_far_and_from_close():
    row = {"model": "A", "method": "X"}
    values = {"flip_face": 0.05, "flip_face_p95": 0.09, "flip_close": 0.1, "flip_close_p95": 0.25, "displacement": 1.5}
    for name, value in values.items():
        row |= {name: value, f"{name}_low": value / 2, f"{name}_high": value * 2}
    _, table = evaluation_tables(tables(quality=[row, {"model": "A", "method": "of an older file"}]))
    assert table.label == "table:visibility"
    assert table.groups == [("", 2), ("FLIP, far", 1), ("FLIP, close", 3), ("Displacement", 2)]
    assert table.rows == [
        [
            "A", "X", "0.050 (0.025 to 0.100)", "0.100 (0.050 to 0.200)", "0.250 (0.125 to 0.500)", "–",
            "1.50 (0.75 to 3.00)", "–",
        ]
    ]  # fmt: skip


def test_the_table_by_identity_has_the_tenth_at_either_end():
    row = {"model": "A", "method": "X", "recogniser": "sface", "images": 2, "tmr_clean": 0.95}
    rows = [row | {"person": f"p{number}", "tmr_protected": number / 20} for number in range(20)]
    unknown = row | {"person": "q", "tmr_protected": math.nan}
    assert only("recognised_persons", *rows, unknown).rows == [
        ["A", "X", "SFace", "20", "p19: 95.0 (95.0); p18: 90.0 (95.0)", "p1: 5.0 (95.0); p0: 0.0 (95.0)"]
    ]
    assert only("recognised_persons", unknown).rows == [["A", "X", "SFace", "0", "–", "–"]]

"""What the report says first of protection, and the evaluation's tables as they are read."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pfgvm.evaluation.findings.adaptive import ADAPTIVE_COLUMNS
from pfgvm.evaluation.findings.by_person import PERSONS_COLUMNS, RECOGNISED_PERSONS_COLUMNS
from pfgvm.evaluation.findings.quality import QUALITY_COLUMNS
from pfgvm.evaluation.findings.recognition import RECOGNITION_COLUMNS
from pfgvm.evaluation.findings.references import REFERENCES_COLUMNS
from pfgvm.evaluation.findings.survival import SURVIVAL_COLUMNS
from pfgvm.evaluation.findings.trade_off import CURVES_COLUMNS, EQUAL_MR_COLUMNS
from pfgvm.evaluation.findings.transfer import TRANSFER_COLUMNS
from pfgvm.evaluation.findings.visibility import VISIBILITY_COLUMNS
from pfgvm.report.formatted_table import FormattedTable
from pfgvm.report.protection.tables import QUESTIONS, protection_tables
from pfgvm.report.protection.verdict import NOT_RUN, in_short, verdict
from stages import protection
from stages.common.data_frames import write_table

HEADERS = {
    "recognition": RECOGNITION_COLUMNS,
    "transfer": TRANSFER_COLUMNS,
    "survival": [*SURVIVAL_COLUMNS, "dlib_tmr", "dlib_low", "dlib_high", "mine_tmr", "mine_low", "mine_high"],
    "adaptive": ADAPTIVE_COLUMNS,
    "quality": QUALITY_COLUMNS,
    "curves": CURVES_COLUMNS,
    "equal_mr": EQUAL_MR_COLUMNS,
    "references": REFERENCES_COLUMNS,
    "persons": PERSONS_COLUMNS,
    "recognised_persons": RECOGNISED_PERSONS_COLUMNS,
    "visibility": VISIBILITY_COLUMNS,
}
NOTE = "needs 3,000 pairs of other persons; there are 20"


def tables(**rows: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    """All tables, those that are not named without rows; what a row does not name is missing."""
    return {name: pd.DataFrame(rows.get(name, []), columns=columns) for name, columns in HEADERS.items()}


def recognised(method: str = "P-FGVM", model: str = "A", recogniser: str = "dlib", **changes: Any) -> dict[str, Any]:
    """A row of recognition.csv: at 1 % false matches, of an attack that had not the recogniser before it."""
    row = {
        "model": model, "method": method, "recogniser": recogniser, "seen": False, "fmr": 0.01, "threshold": 0.5,
        "tmr_clean": 0.8, "tmr_protected": 0.7, "low": 0.6, "high": 0.75, "tmr_both": 0.65, "drop_over_random": 0.05,
        "drop_low": -0.01, "drop_high": 0.1, "rank1_clean": 0.9, "rank1_protected": 0.85, "found": 1.0, "images": 60,
        "rank1_low": 0.8, "rank1_high": 0.9, "rank5_clean": 1.0, "rank5_protected": 0.95, "found_clean": 1.0,
        "both_low": 0.6, "both_high": 0.7, "note": "",
    }  # fmt: skip
    return row | changes


def first(*rows: dict[str, Any]) -> str:
    return verdict(tables(recognition=list(rows)))[0]


# ── The verdict ───────────────────────────────────────────────────────────────────────────────────────────────────


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
        (0.8, 0.8, "does not protect"),
        # Recognised more often than before, by chance.
        (0.8, 0.85, "does not protect"),
        # Where nothing was recognised nothing is protected.
        (0.0, 0.0, "does not protect"),
    ],
)
def test_the_words_follow_from_the_matches_that_are_gone(clean: float, protected: float, words: str):
    sentence = first(recognised("Clean"), recognised(tmr_clean=clean, tmr_protected=protected, rank1_protected=0.0))
    assert sentence.startswith(f"P-FGVM {words} against recognisers that it was not made for: at 1 % false matches, ")


def test_it_protects_no_better_than_from_the_recogniser_that_finds_most():
    nobody = {"rank1_protected": 0.0}
    some = [recognised(tmr_protected=0.01, **nobody), recognised(recogniser="sface", tmr_protected=0.6, **nobody)]
    for rows in (some, some[::-1]):
        assert first(*rows).startswith("P-FGVM protects little against")


def test_who_is_still_named_first_is_not_protected():
    for share, words in ((0.05, "protects"), (0.4, "protects in part"), (0.75, "protects little")):
        sentence = first(recognised(tmr_protected=0.0, rank1_clean=1.0, rank1_protected=share))
        assert sentence.startswith(f"P-FGVM {words} against") and f"for {100 * share:.1f} % (100.0 %)" in sentence


def test_the_first_sentence_holds_the_decisive_numbers():
    rows = [
        recognised(tmr_clean=0.8125, tmr_protected=0.4, drop_over_random=0.3333, drop_low=0.25, drop_high=0.4),
        recognised(model="B", recogniser="mine", tmr_protected=0.75, drop_over_random=-0.004, drop_low=-0.02),
    ]
    assert first(*rows) == (
        "P-FGVM does not protect against recognisers that it was not made for: at 1 % false matches, "
        "dlib still makes 40.0 % of the true matches (81.2 % on clean pictures) on those made on Model A, 33.3 points "
        "fewer than under random noise of equal L2 (95 % interval 25.0 to 40.0), but names the person first among all "
        "enrolled for 85.0 % (90.0 %); "
        "mine still makes 75.0 % of the true matches (80.0 % on clean pictures) on those made on Model B, −0.4 points "
        "fewer than under random noise of equal L2 (95 % interval −2.0 to 10.0), and names the person first among all "
        "enrolled for 85.0 % (90.0 %)."
    )


def test_recognisers_that_the_attack_had_and_stricter_rates_do_not_count():
    weak = {"tmr_protected": 0.8}
    seen = recognised(model="B", seen=True, tmr_protected=0.0)
    stricter = recognised(fmr=0.001, tmr_protected=0.0)
    sentence = first(seen, stricter, recognised(**weak))
    assert sentence.startswith("P-FGVM does not protect") and "Model B" not in sentence and "0.1 %" not in sentence


def test_the_method_on_features_has_a_sentence_of_its_own():
    rows = [
        recognised(),
        # The same images count for both models, and dlib was before it.
        *(
            recognised(
                "P-FGVM (features)",
                model,
                name,
                seen=name == "dlib",
                tmr_protected=0.0625,
                drop_over_random=0.7,
                rank1_protected=0.0,
            )
            for model in "AB"
            for name in ("dlib", "sface", "mine")
        ),
        recognised("k-Same", drop_over_random=0.5),
    ]
    found = verdict(tables(recognition=rows))
    assert len(found) == 3 and found[2].startswith("Of the other ways, k-Same takes most")
    assert found[1] == (
        "P-FGVM (features), made on face descriptors instead, protects: at 1 % false matches, "
        "SFace still makes 6.2 % of the true matches (80.0 % on clean pictures), 70.0 points fewer than under random "
        "noise of equal L2 (95 % interval −1.0 to 10.0), and names the person first among all enrolled for 0.0 % "
        "(90.0 %); "
        "mine still makes 6.2 % of the true matches (80.0 % on clean pictures), 70.0 points fewer than under random "
        "noise of equal L2 (95 % interval −1.0 to 10.0), and names the person first among all enrolled for 0.0 % "
        "(90.0 %)."
    )


def test_the_other_way_that_takes_most_is_named():
    rows = [
        recognised(drop_over_random=0.9),
        recognised("Clean", drop_over_random=0.95),
        recognised("Pixelation", drop_over_random=0.4),
        recognised("k-Same", recogniser="sface", drop_over_random=0.62, drop_low=0.5, drop_high=0.7),
        recognised("Masking", seen=True, drop_over_random=0.99),
    ]
    [_, other] = verdict(tables(recognition=rows))
    assert other == (
        "Of the other ways, k-Same takes most: 62.0 points of SFace's true matches more than noise of equal L2 "
        "(50.0 to 70.0)."
    )


def test_who_knows_of_the_method_on_features_has_a_sentence():
    def reached(attacker: str, accuracy: float, **changes: Any) -> dict[str, Any]:
        row = {"model": "A", "method": "P-FGVM (features)", "attacker": attacker, "recogniser": "sface"}
        ends = {"accuracy_protected": accuracy, "low": accuracy - 0.1, "high": accuracy + 0.1, "accuracy_clean": 0.9}
        return row | ends | changes

    rows = [
        reached("retrained", 0.5, share=1.0),
        reached("growing gallery", 0.7),
        # Another method, a classifier after a filter, and an attacker that could do nothing.
        reached("retrained", 0.8, method="P-FGVM"),
        reached("median 3x3", 0.8, recogniser=""),
        reached("retrained", math.nan, share=0.25),
    ]
    expected = (
        "Who knows of P-FGVM (features) finds more: SFace, with a gallery that grows by what it recognises, names "
        "70.0 % of its pictures rightly (95 % interval 60.0 % to 80.0 %; 90.0 % of clean ones)."
    )
    found = tables(recognition=[recognised(), recognised("k-Same")], adaptive=rows)
    assert verdict(found)[1] == expected and in_short(found)[1] == expected
    assert len(verdict(tables(recognition=[recognised()], adaptive=rows[2:]))) == 1


def test_what_was_not_run_is_said():
    assert verdict(tables()) == [NOT_RUN]
    assert "not measured" in NOT_RUN and "`make evaluation`" in NOT_RUN


def test_without_a_threshold_it_says_so_and_not_that_nothing_was_run():
    missing = {"tmr_clean": math.nan, "tmr_protected": math.nan, "drop_over_random": math.nan, "threshold": math.nan}
    rows = [recognised(**missing, note=NOTE), recognised(**missing, fmr=0.001, note=NOTE.replace("3,000", "30,000"))]
    [sentence] = verdict(tables(recognition=rows))
    assert "cannot be said" in sentence and NOTE in sentence and "evaluation.calibration" in sentence
    assert "make evaluation" not in sentence


def test_the_worst_of_what_befalls_pictures_is_named():
    def survived(transform: str, mr: float, method: str = "P-FGVM", model: str = "A") -> dict[str, Any]:
        return {"model": model, "method": method, "transform": transform, "mr": mr, "low": mr - 0.1, "high": mr + 0.1}

    rows = [
        survived("PNG", 0.99),
        survived("JPEG 50", 0.25),
        survived("blur 1 px", 0.2, model="B"),
        survived("PNG", 0.1, "X"),
    ]
    for found in (tables(survival=rows), tables(survival=rows, recognition=[recognised()])):
        sentences = verdict(found)
        assert len(sentences) == 2 and sentences[1] == (
            "The model that it was made for errs on 20.0 % of P-FGVM's pictures at the worst of what befalls them on "
            "their way (blur 1 px, Model B; 10.0 % to 30.0 %)."
        )


def test_the_distance_to_the_best_known_is_said_where_there_is_one():
    def compared(method: str, model: str, l2: float, best: float) -> dict[str, Any]:
        return {"model": model, "method": method, "l2": l2, "l2_best": best}

    rows = [compared("P-FGVM", "A", 3.0, 2.0), compared("DDN", "A", 2.0, 2.0), compared("P-FGVM", "B", 0.5, 0.4)]
    assert verdict(tables(references=rows))[1:] == [
        "P-FGVM's L2 is 1.50 times the smallest known on Model A (3.00 against 2.00) and 1.25 times the smallest known "
        "on Model B (0.50 against 0.40)."
    ]
    # It reached no target; or no change is needed.
    assert len(verdict(tables(references=rows[1:2]))) == 1
    assert len(verdict(tables(references=[compared("P-FGVM", "A", 0.0, 0.0)]))) == 1


# ── The tables ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tables_without_rows_are_left_out():
    assert protection_tables(tables()) == []
    [only] = protection_tables(
        tables(persons=[{"model": "A", "method": "X", "person": "1", "images": 1, "l2": 1, "mr": 1}])
    )
    assert only.title == "By person"


def only(name: str, *rows: dict[str, Any]) -> FormattedTable:
    [table] = protection_tables(tables(**{name: list(rows)}))
    assert all(len(row) == len(table.columns) for row in table.rows)
    return table


def test_the_table_of_recognition_holds_what_the_csv_holds():
    row = recognised(drop_over_random=-0.0213, drop_low=-0.05, drop_high=0.004)
    table = only("recognition", row, recognised(model="B", seen=True), recognised(fmr=0.001, note=NOTE))
    assert "at 1 % false ones" in table.caption
    assert table.rows[0] == [
        "A", "P-FGVM", "dlib", "80.0", "70.0", "60.0 to 75.0", "−2.1", "−5.0 to 0.4", "65.0", "90.0", "85.0", "95.0",
        "100.0",
    ]  # fmt: skip
    # A stricter rate is in the CSV alone.
    assert [row[2] for row in table.rows] == ["dlib", "dlib (seen)"]
    assert table.names[3:5] == ["clean", "protected"] and not any(NOTE in note for note in table.notes)


def test_a_missing_threshold_leaves_a_dash_and_a_note():
    missing = dict.fromkeys(("threshold", "tmr_clean", "tmr_protected", "low", "high", "tmr_both"), math.nan)
    missing |= dict.fromkeys(("drop_over_random", "drop_low", "drop_high"), math.nan)
    table = only("recognition", recognised(**missing, note=NOTE), recognised(recogniser="sface", **missing, note=NOTE))
    assert table.rows[0][3:] == ["–", "–", "–", "–", "–", "–", "90.0", "85.0", "95.0", "100.0"]
    assert [note for note in table.notes if NOTE in note] == [f"No threshold: {NOTE}."]


def test_the_table_of_transfer_holds_what_the_csv_holds():
    row = {
        "model": "A", "method": "DDN", "judge": "B", "images": 60, "mr": 0.125, "low": 0.1, "high": 0.2,
        "target_rate": math.nan, "clean_error": 0.0333,
    }  # fmt: skip
    assert only("transfer", row).rows == [["A", "DDN", "Model B", "12.5", "10.0 to 20.0", "–", "3.3"]]


def test_the_table_of_survival_has_a_column_for_each_transform_and_the_worst_match():
    def survived(transform: str, mr: float, dlib: float, mine: float) -> dict[str, Any]:
        return {"model": "A", "method": "X", "transform": transform, "mr": mr, "dlib_tmr": dlib, "mine_tmr": mine}

    table = only("survival", survived("PNG", 1, 0.5, math.nan), survived("JPEG 50", 0.301, 0.75, math.nan))
    assert table.columns[2:] == [
        ("MR after", "PNG"), ("MR after", "JPEG 50"), ("Most true matches", "dlib"), ("Most true matches", "mine"),
    ]  # fmt: skip
    assert table.rows == [["A", "X", "100.0", "30.1", "75.0 (JPEG 50)", "–"]]


def test_the_table_of_attackers_holds_what_the_csv_holds():
    row = {"model": "A", "method": "X", "attacker": "retrained", "share": 0.25, "recogniser": "sface", "note": ""}
    rows = [
        row | {"accuracy_protected": 0.5, "low": 0.4, "high": 0.6, "accuracy_clean": 0.9},
        row | {"attacker": "growing gallery", "share": math.nan, "note": NOTE},
        row
        | {
            "attacker": "median 3x3",
            "share": math.nan,
            "recogniser": "",
            "accuracy_protected": 0.1,
            "low": 0,
            "high": 1,
        },
        row
        | {
            "attacker": "detector",
            "share": math.nan,
            "recogniser": "",
            "auc": 0.9,
            "auc_low": 0.8125,
            "auc_high": 0.95,
        },
        row | {"recogniser": "dlib", "accuracy_protected": 0.2, "low": 0.1, "high": 0.3, "accuracy_clean": 0.9},
        row | {"method": "Z", "attacker": "detector", "share": math.nan, "recogniser": "", "auc": 0.5},
        row | {"method": "Y", "attacker": "detector", "share": math.nan, "recogniser": "", "note": NOTE},
    ]
    table = only("adaptive", *rows)
    assert table.notes[-1] == f"–: {NOTE}."
    assert [line[2:] for line in table.rows] == [
        ["50.0 (40.0–60.0)", "20.0 (10.0–30.0)", "–", "10.0 (0.0–100.0)", "0.900 (0.812–0.950)"],
        ["–", "–", "–", "–", "0.500"],
        ["–", "–", "–", "–", "–"],
    ]
    assert table.columns[2:] == [
        ("Retrained on 25 %", "SFace"), ("Retrained on 25 %", "dlib"), ("Growing gallery", "SFace"),
        ("Purified", "median 3x3"), ("Detector", "AUC"),
    ]  # fmt: skip


def test_the_table_of_references_holds_what_the_csv_holds():
    row = {"model": "A", "method": "P-FGVM", "images": 45, "reached": 0.75, "l2": 3.0, "l2_best": 2.4, "excess": 0.6}
    some, few = row | {"low": 0.5, "high": 0.7}, row | {"l2": 0.0, "l2_best": 0.0, "excess": 0.0}
    assert [line[2:] for line in only("references", some, few).rows] == [
        ["45", "75.0", "3.000", "2.400", "1.25", "0.600", "0.500–0.700"],
        ["45", "75.0", "0.000", "0.000", "–", "0.000", "–"],
    ]


def test_the_table_at_equal_mr_holds_what_the_csv_holds():
    row = {"model": "A", "method": "P-FGVM", "other": "I-FGSM", "mr": 0.95, "other_l2": 2.5, "other_mssim_legacy": 0.97}
    rows = [row | {"l2": 1.25, "mssim_legacy": 0.99}, row | {"l2": math.nan, "mssim_legacy": math.nan}]
    assert [line[1:] for line in only("equal_mr", *rows).rows] == [
        ["P-FGVM", "I-FGSM, 95.0", "1.25", "2.50", "0.990", "0.970"],
        ["P-FGVM", "I-FGSM, 95.0", "–", "2.50", "–", "0.970"],
    ]


def test_the_table_of_quality_holds_what_the_csv_holds():
    values = {
        "mssim": 0.98765,
        "psnr": 41.26,
        "flip": 0.0123,
        "ssimulacra2": 80.04,
        "flip_face": 0.02,
        "mssim_face": 0.9,
    }
    ends = {f"{name}_{end}": value + by for name, value in values.items() for end, by in (("low", -0.1), ("high", 0.1))}
    row = {"model": "A", "method": "X", "images": 60} | values | ends
    table = only("quality", row, row | {"psnr": math.nan})
    # Picture and face stand beside each other.
    assert dict(zip(table.columns[2:], table.rows[0][2:], strict=True)) == {
        ("MSSIM", "picture"): "0.988 (0.888 to 1.088)", ("MSSIM", "face"): "0.900 (0.800 to 1.000)",
        ("", "PSNR"): "41.3 (41.2 to 41.4)", ("ꟻLIP", "picture"): "0.012 (−0.088 to 0.112)",
        ("ꟻLIP", "face"): "0.020 (−0.080 to 0.120)", ("", "SSIMULACRA2"): "80.0 (79.9 to 80.1)",
    }  # fmt: skip
    assert [group for group, _ in table.groups] == ["", "MSSIM", "", "ꟻLIP", ""]
    assert table.rows[1][4] == "–"
    # LPIPS has a column where someone gave its weights.
    judged = only("quality", row | {"lpips": 0.1234, "lpips_low": 0.1, "lpips_high": 0.2}, row)
    assert judged.names[-1] == "LPIPS" and [line[-1] for line in judged.rows] == ["0.123 (0.100 to 0.200)", "–"]


def test_the_worst_and_the_best_tenth_of_persons_are_named():
    random = np.random.default_rng(0)
    rows = [
        {
            "model": "A",
            "method": "X",
            "person": f"p{number}",
            "images": 2,
            "l2": 1 + number / 100,
            "mr": number // 4 / 5,
        }
        for number in random.permutation(20).tolist()
    ]
    # Of those whom it serves equally often, who is changed more is served worse.
    assert only("persons", *rows).rows == [
        ["A", "X", "20", "p3: 0.0 %, 1.03; p2: 0.0 %, 1.02", "p17: 80.0 %, 1.17; p16: 80.0 %, 1.16"]
    ]


def test_those_whom_a_recogniser_finds_most_and_least_are_named():
    row = {"model": "A", "method": "X", "recogniser": "sface", "images": 2, "tmr_clean": 0.95}
    rows = [row | {"person": f"p{number}", "tmr_protected": number / 20} for number in range(20)]
    unknown = row | {"person": "q", "tmr_protected": math.nan}
    assert only("recognised_persons", *rows, unknown).rows == [
        ["A", "X", "SFace", "20", "p19: 95.0 (95.0); p18: 90.0 (95.0)", "p1: 5.0 (95.0); p0: 0.0 (95.0)"]
    ]
    assert only("recognised_persons", unknown).rows == [["A", "X", "SFace", "0", "–", "–"]]


# ── The stage ─────────────────────────────────────────────────────────────────────────────────────────────────────


def everything() -> dict[str, pd.DataFrame]:
    """A row or two of every table."""
    quality_row = {"model": "A", "method": "P-FGVM", "images": 60, "mssim": 0.99, "mssim_low": 0.98, "mssim_high": 1.0}
    attacker = {"model": "A", "method": "P-FGVM", "attacker": "detector", "auc": 0.7, "auc_low": 0.6, "auc_high": 0.8}
    return tables(
        recognition=[
            recognised("Clean", drop_over_random=0.0),
            recognised(tmr_clean=0.8125, tmr_protected=0.4, drop_over_random=1 / 3, rank1_protected=0.3),
            recognised(model="B", seen=True, tmr_protected=0.01),
            recognised(fmr=0.001, tmr_clean=math.nan, tmr_protected=math.nan, note=NOTE),
        ],
        survival=[
            {"model": "A", "method": "P-FGVM", "transform": "PNG", "mr": 0.9, "low": 0.8, "high": 1, "dlib_tmr": 0.5}
        ],
        adaptive=[attacker],
        quality=[quality_row],
        # A person's name may look like a number, or like a missing value.
        persons=[
            {"model": "A", "method": "P-FGVM", "person": name, "images": 2, "l2": 1.5, "mr": 0.5}
            for name in ("007", "NA")
        ],
        references=[{"model": "A", "method": "P-FGVM", "images": 2, "reached": 1, "l2": 3, "l2_best": 2, "excess": 1}],
    )


def test_in_short_the_recogniser_that_finds_most_decides():
    found = tables(
        recognition=[
            recognised(),
            recognised(model="B", recogniser="sface", tmr_protected=0.75, low=0.7, high=0.8),
            recognised(model="B", tmr_protected=0.9, seen=True),
            recognised(method="P-FGVM (features)", recogniser="sface", tmr_protected=0.016, low=0.0, high=0.05),
            recognised(method="I-FGVM", tmr_protected=0.79),
        ]
    )
    plain, features = in_short(found)
    assert plain == (
        "P-FGVM does not protect against recognisers that it was not made for: at 1 % false matches, SFace still makes "
        "75.0 % of the true matches (95 % interval 70.0 % to 80.0 %; 80.0 % on clean pictures), and dlib names the "
        "person first among all enrolled for 85.0 % (90.0 %)."
    )
    assert features.startswith("P-FGVM (features) ") and "still makes 1.6 % of the true matches" in features
    assert "but it names the person first" in features
    seen = tables(recognition=[recognised(seen=True)])
    assert in_short(seen) == verdict(seen) and in_short(tables()) == [NOT_RUN]


def test_the_stage_says_what_the_csv_tables_hold(tmp_path: Path):
    found = everything()
    for name, table in found.items():
        write_table(table, tmp_path / "tables" / f"{name}.csv")
    protection.main(tables=tmp_path / "tables", out=tmp_path / "out")
    made = json.loads((tmp_path / "out" / "protection.json").read_text("utf-8"))
    text = (tmp_path / "out" / "protection.md").read_text("utf-8")

    assert made["verdict"] == verdict(found) and len(made["verdict"]) == 3
    assert made["in_short"] == in_short(found)
    assert set(made["measured"]) == {f"{name}.csv" for name, table in found.items() if len(table)}
    assert made["verdict"][0].startswith("P-FGVM protects in part") and text.startswith(made["verdict"][0])
    assert made["unanswered"] == [QUESTIONS[name] for name in ("curves", "visibility")]
    expected = protection_tables(found)
    assert [table["title"] for table in made["tables"]] == [
        "Recognition", "Survival", "Attackers who know", "References", "Quality", "By person",
    ]  # fmt: skip
    for table, by_hand in zip(made["tables"], expected, strict=True):
        assert table["rows"] == by_hand.rows
        assert all(cell.replace("|", "\\|") in text for row in by_hand.rows for cell in row)
    assert made["tables"][-1]["rows"][0][3:] == ["007: 50.0 %, 1.50", "NA: 50.0 %, 1.50"]


def test_the_stage_says_that_nothing_was_run(tmp_path: Path):
    for name, table in tables().items():
        write_table(table, tmp_path / f"{name}.csv")
    protection.main(tables=tmp_path, out=tmp_path / "out")
    assert json.loads((tmp_path / "out" / "protection.json").read_text()) == {
        "in_short": [NOT_RUN], "verdict": [NOT_RUN], "unanswered": list(QUESTIONS.values()), "tables": [],
        "measured": [],
    }  # fmt: skip
    assert (tmp_path / "out" / "protection.md").read_text() == f"{NOT_RUN}\n"

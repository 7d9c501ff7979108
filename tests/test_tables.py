"""Tables from small sets of scores, and the improvements of the paper from its printed Table 3."""

import json
import math
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

import numpy as np
import pandas as pd
import pytest

from pfgvm.errors import InputError
from pfgvm.evaluation import statistics
from pfgvm.report import paper_tables, table_data
from pfgvm.report import table3 as table3_module
from pfgvm.report.formatted_table import FormattedTable
from pfgvm.report.persons_table import persons_table
from pfgvm.report.render import latex, markdown
from pfgvm.settings import MODEL_NAMES
from tests.published import PAPER
from tests.records import training_record

DESCRIPTORS = {"A": "none", "B": "dlib"}


def scored(rows: list[tuple], **fixed: str) -> pd.DataFrame:
    """Scores from (image, person, split, target, predicted_clean, predicted, l2) rows."""
    frame = pd.DataFrame(rows, columns="image person split target predicted_clean predicted l2".split())
    defaults = {"model": "A", "method": "P-FGVM", "pixels": "float", "linf": 0.1, "mssim": 0.9, "mssim_legacy": 0.98}
    return frame.assign(**(defaults | fixed))


HAND = scored(
    [
        ("1.jpg", "a", "train", "b", "a", "b", 1.0),  # correct, misclassified as the target
        ("2.jpg", "a", "train", "c", "a", "a", 2.0),  # correct before and after
        ("3.jpg", "b", "test", "c", "a", "a", 3.0),  # misclassified when clean, not as the target
        ("4.jpg", "b", "test", "a", "b", "b", 6.0),  # correct before and after
    ]
)


def printed_paper() -> pd.DataFrame:
    """Results equal to the paper's printed values."""
    rows = []
    for model in MODEL_NAMES:
        for method, cell in PAPER["table3"][model].items():
            row = dict.fromkeys(table_data.TABLE3_COLUMNS, 0.5)
            row |= {"model": model, "method": method, "pixels": "float", "images": 900, "descriptor": "none"}
            rows.append(
                row | {"l2": cell["l2"], "mssim_legacy": cell["si"], "mr": cell["mr"], "mr_low": 0, "mr_high": 1}
            )
    return pd.DataFrame(rows)


def table3(results: pd.DataFrame) -> FormattedTable:
    """Table 3 of `results` beside the paper's."""
    return table3_module.table3(table_data.as_records(results), PAPER, DESCRIPTORS)


def table3_full(results: pd.DataFrame) -> FormattedTable:
    """Table 3 in full."""
    report = table_data.report({}, {}, {})
    return table3_module.table3_full(table_data.as_records(results), report["metrics"], DESCRIPTORS)


def test_rates_follow_their_definitions():
    [row] = table_data.results(HAND, DESCRIPTORS).to_dict("records")
    assert row["images"] == 4
    assert row["l2"] == 3.0
    assert row["mr"] == 2 / 4
    assert row["mr_correct"] == 1 / 3
    assert row["mr_test"] == 1 / 2
    assert row["target_rate"] == 1 / 4
    assert row["clean_error"] == 1 / 4


def test_rates_over_no_image_are_empty():
    scores = HAND[HAND["image"] == "3.jpg"].assign(split="train")
    results = table_data.results(scores, DESCRIPTORS)
    assert results.loc[0, ["mr_correct", "mr_test"]].isna().all()
    first = results[table_data.TABLE3_COLUMNS].to_csv(index=False).splitlines()[1]
    assert first.startswith("A,none,P-FGVM,float,1,3.0,0.9,0.98,1.0,,,0.0,1.0,")
    assert results.loc[0, ["mr_test_low", "mr_test_high", "l2_low"]].isna().all()
    assert [cell for cell in table3_full(results).rows[0] if cell == "–"] == ["–"] * 3


def test_results_are_ordered_and_have_scored_sets_only():
    parts = [("B", "I-FGSM", "8bit"), ("A", "Random (equal L2)", "float"), ("B", "I-FGSM", "float")]
    parts += [("A", "I-FGVM", "float"), ("A", "P-FGVM (noise)", "8bit")]
    scores = pd.concat([HAND.assign(model=a, method=b, pixels=c) for a, b, c in parts])
    results = table_data.results(scores, DESCRIPTORS)
    assert list(results.columns) == table_data.TABLE3_COLUMNS
    assert results[["model", "method", "pixels", "descriptor"]].values.tolist() == [
        ["A", "I-FGVM", "float", "none"],
        ["A", "P-FGVM (noise)", "8bit", "none"],
        ["A", "Random (equal L2)", "float", "none"],
        ["B", "I-FGSM", "float", "dlib"],
        ["B", "I-FGSM", "8bit", "dlib"],
    ]


def test_methods_have_the_order_of_the_evaluation_and_unknown_ones_follow_by_name():
    methods = ["Random (equal L2)", "P-FGVM", "A-FGVM", "I-FGSM", "Z"]
    scores = pd.concat([HAND.assign(method=method) for method in methods])
    results = table_data.results(scores, DESCRIPTORS)
    assert list(results["method"]) == ["P-FGVM", "I-FGSM", "Random (equal L2)", "A-FGVM", "Z"]
    assert [row[2] for row in table3_full(results).rows] == list(results["method"])


@pytest.mark.parametrize(("column", "label"), [("model", "C"), ("pixels", "16bit")])
def test_an_unknown_label_is_refused(column, label):
    with pytest.raises(InputError, match=f"unknown {column} '{label}'; use "):
        table_data.results(HAND.assign(**{column: label}), DESCRIPTORS)


def test_the_columns_of_table_3_are_the_agreed_ones_first():
    agreed = "model,descriptor,method,pixels,images,l2,mssim,mssim_legacy,mr,mr_correct,mr_test,target_rate,clean_error"
    assert table_data.TABLE3_COLUMNS[:13] == agreed.split(",")


def test_means_do_not_depend_on_the_order_of_the_sum():
    values = [1e16, 1.0, -1e16, 1.0]
    assert statistics.mean(values) == statistics.mean(sorted(values)) == 0.5
    assert math.isnan(statistics.mean([]))


def test_improvements_of_the_printed_table_3():
    # The paper truncates 11 of its 12 percentages and rounds B's misclassification rate over I-FGSM.
    tenth, truncated = Decimal("0.1"), 0
    ours = {row[0]: row[2:] for row in table3(printed_paper()).rows if row[0]}
    for model, first in (("A", 0), ("B", 3)):
        for baseline in ("I-FGVM", "I-FGSM"):
            for i, name in enumerate(("l2", "si", "mr")):
                pair = [str(PAPER["table3"][model][method][name]) for method in ("P-FGVM", baseline)]
                exact = statistics.improvement(*pair, smaller_is_better=name == "l2")
                published = Decimal(str(PAPER["table3_improvement"][model][baseline][name]))
                rounded = exact.quantize(tenth, ROUND_HALF_UP)
                assert ours[f"Improvement over {baseline}"][first + i] == f"{rounded} %"
                if exact.quantize(tenth, ROUND_DOWN) == published:
                    truncated += 1
                else:
                    assert (model, baseline, name) == ("B", "I-FGSM", "mr")
                    assert rounded == published
    assert truncated == 11


def test_the_printed_table_3_repeats_the_paper():
    rows = table3(printed_paper()).rows
    for ours, paper in zip(rows[0:6:2], rows[1:6:2], strict=True):
        assert ours[2:] == paper[2:]
    assert rows[0] == ["P-FGVM", "ours", "3.38", "0.986", "99.6 %", "2.11", "0.995", "96.0 %"]
    assert rows[9] == ["", "paper", "40.4 %", "2.4 %", "0.7 %", "63.2 %", "2.7 %", "1.7 %"]


def test_improvements_below_zero_over_zero_and_over_nothing():
    results = printed_paper()
    results = results[~((results["model"] == "B") & (results["method"] == "I-FGSM"))]
    of_a, fgvm = results["model"] == "A", results["method"] == "I-FGVM"
    results.loc[of_a, "mr"] = 0.0
    results.loc[of_a & fgvm, "l2"] = 3.0
    rows = {row[0]: row[2:] for row in table3(results).rows if row[0]}
    assert rows["Improvement over I-FGVM"][:3] == ["−12.7 %", "2.4 %", "–"]
    assert rows["I-FGSM"][3:] == rows["Improvement over I-FGSM"][3:] == ["–", "–", "–"]


@pytest.mark.parametrize(("rate", "comparable"), [(0.9 * 0.996 + 1e-9, True), (0.9 * 0.996 - 1e-9, False)])
def test_a_method_that_often_fails_is_not_compared(rate, comparable):
    results = printed_paper()
    results.loc[(results["model"] == "A") & (results["method"] == "I-FGVM"), "mr"] = rate
    table = table3(results)
    rows = {row[0]: row[2:] for row in table.rows if row[0]}
    assert (rows["Improvement over I-FGVM"][:3] == ["not comparable"] * 3) == (not comparable)
    assert "not comparable" not in [*rows["Improvement over I-FGVM"][3:], *rows["Improvement over I-FGSM"]]
    assert any(note.startswith("not comparable: ") for note in table.notes) == (not comparable)
    assert ("not comparable" in markdown(table)) == ("not comparable" in latex(table)) == (not comparable)


def test_a_vanishing_loss_prints_without_a_sign():
    results = printed_paper()
    results.loc[results["method"] == "P-FGVM", "mssim_legacy"] = 0.9628
    results.loc[results["method"] == "I-FGVM", "mssim_legacy"] = 0.9632
    results.loc[results["method"] == "I-FGSM", "mssim_legacy"] = 0.9634
    rows = {row[0]: row[2:] for row in table3(results).rows if row[0]}
    assert rows["Improvement over I-FGVM"][1] == "0.0 %"


def test_table_3_states_the_resolution_of_a_rate():
    scores = pd.concat([HAND.assign(image=str(number), predicted="c") for number in range(20)])
    note = table3(table_data.results(scores, DESCRIPTORS)).notes[0]
    assert all(part in note for part in ("Model A", "80 images", "1.25 % of MR", "P-FGVM 95.4–100.0 %"))


def pairs_of(persons: int, images: int, seed: int = 0) -> pd.DataFrame:
    """Scores of P-FGVM and I-FGVM on A, P-FGVM's L2 less by about 1, the images of an identity alike."""
    random = np.random.default_rng(seed)
    rows = []
    for person in range(persons):
        shift = random.normal(1, 0.5)
        for image in range(images):
            base = random.normal(5, 2)
            name = f"{person}-{image}"
            rows.append((name, str(person), "train", "x", str(person), "x", "P-FGVM", base - shift))
            missed = "x" if image else str(person)
            rows.append((name, str(person), "train", "x", str(person), missed, "I-FGVM", base))
    columns = ["image", "person", "split", "target", "predicted_clean", "predicted", "method", "l2"]
    fixed = {"model": "A", "pixels": "float", "linf": 0.1, "mssim": 0.9, "mssim_legacy": 0.98}
    return pd.DataFrame(rows, columns=columns).assign(**fixed)


def test_differences_are_paired_by_image_and_resampled_by_person():
    scores = pairs_of(persons=20, images=5)
    extra = scores[scores["method"] == "I-FGVM"].head(1).assign(image="only there", l2=1000.0)
    eight_bit = scores.assign(pixels="8bit", l2=7.0)
    shuffled = pd.concat([scores, extra, eight_bit]).sample(frac=1, random_state=1)
    differences = table_data.differences(shuffled)
    assert list(differences.columns) == "model method baseline measure difference low high".split()
    assert differences[["model", "method", "baseline"]].drop_duplicates().values.tolist() == [["A", "P-FGVM", "I-FGVM"]]
    rows = differences.set_index("measure")
    assert set(rows.index) == {"l2", "mssim", "mssim_legacy", "mr"}

    wide = scores.pivot(index=["image", "person"], columns="method", values="l2")
    by_person = (wide["P-FGVM"] - wide["I-FGVM"]).groupby("person").mean()
    assert rows.loc["l2", "difference"] == pytest.approx(by_person.mean(), abs=1e-12)
    assert rows.loc["mr", "difference"] == pytest.approx(1 / 5)
    assert rows.loc["mssim", ["difference", "low", "high"]].tolist() == [0, 0, 0]
    # The normal approximation over identities; over independent images it would be half as wide.
    half = 1.96 * by_person.std() / 20**0.5
    assert rows.loc["l2", "low"] == pytest.approx(by_person.mean() - half, abs=0.15 * half)
    assert rows.loc["l2", "high"] == pytest.approx(by_person.mean() + half, abs=0.15 * half)
    pd.testing.assert_frame_equal(differences, table_data.differences(scores))


def test_the_interval_over_clusters_has_its_nominal_coverage():
    covered = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        values = np.repeat(random.normal(1, 0.5, 30), 2) + random.normal(0, 0.1, 60)
        _, low, high = statistics.mean_over_clusters(values.tolist(), np.repeat(range(30), 2).astype(str).tolist())
        covered += low <= 1 <= high
    assert 0.89 <= covered / 200 <= 0.985


def test_a_single_identity_has_no_interval():
    row = table_data.differences(pairs_of(persons=1, images=3)).set_index("measure").loc["l2"]
    assert math.isnan(row["low"]) and math.isnan(row["high"]) and not math.isnan(row["difference"])


def test_the_mean_over_runs_has_student_s_interval():
    middle, low, high = statistics.mean_over_runs([1.0, 2.0, 3.0])
    # t of 0.975 with two degrees of freedom: 4.303
    assert (middle, low, high) == pytest.approx((2, 2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)
    assert math.isnan(statistics.mean_over_runs([1.0])[1])


@pytest.mark.parametrize(("hits", "count"), [(0, 12), (1, 80), (79, 80), (80, 80), (896, 900)])
def test_the_interval_is_wilson_s(hits, count):
    rate, z = hits / count, 1.959963984540054
    centre = (rate + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z * math.sqrt(rate * (1 - rate) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    assert statistics.interval(hits, count) == pytest.approx((centre - reach, centre + reach), abs=1e-12)
    results = table_data.results(pd.concat([HAND] * 3), DESCRIPTORS)
    assert results.loc[0, ["mr_low", "mr_high"]].tolist() == list(statistics.interval(6, 12))


def test_table_2_marks_values_that_differ():
    rows = []
    for model in MODEL_NAMES:
        for method, values in PAPER["table2"][model].items():
            rows.append({"model": model, "method": method, **values})
    parameters = pd.DataFrame(rows)
    table = paper_tables.table2(table_data.as_records(parameters), PAPER, DESCRIPTORS)
    assert not any("†" in text for text in (*table.notes, *table.rows[0]))
    assert table.rows[0] == ["P-FGVM", "ours", "1.0", "50", "–", "0.22", "0.55", "58", "–", "0.28"]
    assert table.rows[4][2:6] == ["ε/N", "20", "0.026", "–"]

    parameters.loc[0, "lambda"] = 0.28
    table = paper_tables.table2(table_data.as_records(parameters), PAPER, DESCRIPTORS)
    assert table.rows[0][5] == "0.28 †"
    assert table.notes[0].startswith("† ")


def test_table_1_pairs_layers_and_has_the_paper_s_layer_if_they_differ():
    layers = [{"layer": "dlib face descriptor", "output": "128", "parameters": 5_000_000}]
    layers += [{"layer": name, "output": "1", "parameters": 10} for name in PAPER["table1"]["B"][1:3]]
    layers += [{"layer": "FC(8)+Softmax", "output": "8", "parameters": 2056}]
    frame = table_data.architecture([training_record("B", layers=layers)])
    rows = paper_tables.table1(table_data.as_records(frame), PAPER, {"B": "dlib"}).rows
    ours = [row for row in rows if row[0] == "B"]
    assert [row[2] for row in ours] == ["VGG-Face CNN descriptor (VGG-16)", "same", "same", "FC(30)+Softmax"]
    assert ours[0][4] == "5,000,000"
    assert [row[1] for row in rows if row[0] == "A"] == ["–"] * 10


def test_the_table_by_identity_has_the_tenth_at_either_end():
    rows = [("A", "P-FGVM", f"p{number}", 2, 3 - number / 20, number // 2 / 10) for number in range(20)]
    table = persons_table(pd.DataFrame(rows, columns=table_data.PERSONS_COLUMNS))
    # By MR, then by L2, the largest first.
    assert table.rows == [
        ["A", "P-FGVM", "20", "p0: 0.0 %, 3.00; p1: 0.0 %, 2.95", "p18: 90.0 %, 2.10; p19: 90.0 %, 2.05"]
    ]


def test_table_4_in_the_paper_s_form():
    record = training_record(
        "B",
        image_height=109,
        image_width=89,
        images=80,
        train_size=56,
        validation_size=12,
        test_size=12,
        test_accuracy=11 / 12,
    )
    training = table_data.training([record])
    agreed = "model,descriptor,dataset,image_height,image_width,classes,images,train_size,validation_size,test_size,"
    agreed += "learning_rate,batch_size,epochs,epoch_used,train_accuracy,validation_accuracy,test_accuracy"
    assert table_data.TABLE4_COLUMNS == agreed.split(",")
    assert list(training.columns)[:17] == table_data.TABLE4_COLUMNS
    table = paper_tables.table4(table_data.as_records(training), PAPER, {"B": "dlib"})
    cells = {row[0]: row[1:] for row in table.rows}
    assert cells["Descriptor"] == ["–", "–", "dlib, frozen", "VGG-Face"]
    assert cells["Identities"] == ["–", "30", "4", "30"]
    assert cells["Image size"] == ["–", "178 x 218", "89 x 109", "178 x 218"]
    assert cells["Training set"] == ["–", "70 %", "56 (70 %)", "70 %"]
    assert cells["Test accuracy"] == ["–", "80.7 %", "91.7 %", "95.4 %"]
    assert table.caption.endswith("Model B uses dlib (paper: VGG-Face).")


def test_table_4_has_the_values_of_the_run_next_to_the_paper_s():
    record = training_record("A", normalization="none", optimization="SGD", loss="hinge")
    rows = paper_tables.table4(table_data.as_records(table_data.training([record])), PAPER, {"A": "none"}).rows
    cells = {row[0]: row[1:3] for row in rows}
    assert cells["Normalisation"] == ["none", "MinMax"]
    assert cells["Optimisation"] == ["SGD", "Backprop+Adam"]
    assert cells["Loss"] == ["hinge", "Cross Entropy"]


def test_metrics_have_the_float_rows_and_no_missing_value():
    results = table_data.results(pd.concat([HAND, HAND.assign(pixels="8bit", l2=9.0)]), DESCRIPTORS)
    table4 = pd.DataFrame([{"model": "A", "test_accuracy": 2 / 3}, {"model": "B", "test_accuracy": math.nan}])
    assert table_data.metrics_by_method(results, table4) == {
        "A": {
            "test_accuracy": 0.666667,
            "P-FGVM": {"l2": 3.0, "mssim": 0.9, "mssim_legacy": 0.98, "mr": 0.5, "target_rate": 0.25},
        },
        "B": {},
    }


def test_missing_values_are_null_in_json():
    frame = pd.DataFrame({"rate": [0.5, math.nan], "formula": ["ε/N", None], "count": [3, 4]})
    rows = json.loads(json.dumps(table_data.as_records(frame), allow_nan=False))
    assert rows == [{"rate": 0.5, "formula": "ε/N", "count": 3}, {"rate": None, "formula": None, "count": 4}]


def test_names_are_escaped():
    rows = [["a_b & <c> | $5 {100 %}", "1.0"], ["[x] λ −1", "–"]]
    table = FormattedTable("table:x", "Table 9", "Faces of R&D_2", [("", "Person"), ("P_x", "L2")], rows)
    text = markdown(table)
    assert r"a\_b & &lt;c&gt; \| $5 {100 %}" in text
    assert len({len(line) for line in text.splitlines() if line.startswith("|")}) == 1
    source = latex(table)
    assert r"a\_b \& \textless{}c\textgreater{} \textbar{} \$5 \{100 \%\} & 1.0 \\" in source
    # LaTeX would read a bracket after the end of a row as extra space.
    assert r"{[}x] $\lambda$ $-$1 & -- \\" in source
    assert r"\caption{Faces of R\&D\_2}" in source
    assert r" & P\_x \\" in source


def test_a_latex_table_is_complete_with_its_notes():
    source = latex(table3(printed_paper()))
    for environment in ("table", "tabular"):
        assert source.count(f"\\begin{{{environment}}}") == source.count(f"\\end{{{environment}}}") == 1
    assert [source.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert r"\begin{tabular}{llrrrrrr}" in source
    assert r"\multicolumn{2}{c}{} & \multicolumn{3}{c}{Model A} & \multicolumn{3}{c}{Model B} \\" in source
    assert r"P-FGVM & ours & 3.38 & 0.986 & 99.6 \% & 2.11 & 0.995 & 96.0 \% \\" in source
    assert "Improvements follow from the printed values" in source
    assert source.isascii()
    opened, shut = (source.replace(f"\\{brace}", "").count(brace) for brace in "{}")
    assert opened == shut


def test_table_3_fits_plain_text_of_100_columns():
    lines = markdown(table3(printed_paper())).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 12
    assert max(map(len, rows)) <= 100

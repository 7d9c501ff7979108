"""The plots: positions, labels and legends, from small tables."""

from collections.abc import Mapping
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from pfgvm.evaluation.findings.per_identity import RECOGNISED_PERSONS_COLUMNS
from pfgvm.evaluation.findings.robustness_rates import ROBUSTNESS_COLUMNS
from pfgvm.evaluation.findings.visibility_rates import VISIBILITY_COLUMNS
from pfgvm.report.plots.drawing import svg
from pfgvm.report.plots.learning_curves import learning_curves
from pfgvm.report.plots.palette import KNOWN, styles
from pfgvm.report.plots.persons_plot import persons_figure
from pfgvm.report.plots.recognised_persons import recognised_persons_figure
from pfgvm.report.plots.recognition_plot import recognition_figure
from pfgvm.report.plots.robustness_plot import robustness_figure
from pfgvm.report.plots.trade_off_plot import trade_off
from pfgvm.report.plots.visibility_plot import visibility_figure
from pfgvm.report.table_data import PERSONS_COLUMNS

HEADINGS = {"A": "Model A", "B": "Model B (dlib)"}
P_FGVM = KNOWN["P-FGVM"]


def marked(ax: Axes, marker: str, colour: str | None = None) -> list[list[float]]:
    """The positions of `marker` in `ax`, in `colour` or any, in order."""
    lines = [line for line in ax.lines if line.get_marker() == marker and colour in (None, to_hex(line.get_color()))]
    return [place for line in lines for place in line.get_xydata().tolist()]


def legend(figure: Figure) -> dict[str, Line2D]:
    [shown] = figure.legends
    return {text.get_text(): line for text, line in zip(shown.get_texts(), shown.get_lines(), strict=True)}


def titles(figure: Figure) -> list[str]:
    """The title of each panel up to the colon."""
    return [ax.get_title(loc="left").partition(":")[0] for ax in figure.axes]


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


# ── Learning curves ───────────────────────────────────────────────────────────────────────────────────────────────


def test_learning_curves_mark_the_epoch_used():
    names = ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    history = pd.DataFrame({"epoch": [1, 2, 3], **{name: [0.9, 0.5, 0.4] for name in names}})
    history["validation_loss"] = [0.8, 0.6, 0.55]
    figure = learning_curves({"A": history, "B": history}, {"A": 2, "B": 3}, HEADINGS)
    used = [ax.lines[-1].get_xdata()[0] for ax in figure.axes]
    assert used == [2, 3, 2, 3]
    assert titles(figure)[:2] == ["Model A", "Model B (dlib)"]
    by_label = legend(figure)
    assert list(by_label) == ["training", "validation", "epoch used"]
    [loss] = [
        line for line in figure.axes[2].lines[:-1] if line.get_linestyle() == by_label["validation"].get_linestyle()
    ]
    assert loss.get_color() == by_label["validation"].get_color()
    assert loss.get_ydata().tolist() == [0.8, 0.6, 0.55]
    # The labels of the logarithmic scale are plain numbers.
    assert "$" not in svg(figure, prefix="x", title="").decode()


# ── Curves ────────────────────────────────────────────────────────────────────────────────────────────────────────


def curve(method: str, parameter: str, chosen: float, *points: tuple[float, float, float], model="A") -> pd.DataFrame:
    """Points of (value, L2, MR), with `chosen` as the value of the settings; SI falls as L2 rises."""
    table = pd.DataFrame(points, columns=["value", "l2", "mr"])
    table = table.assign(model=model, method=method, parameter=parameter, mssim_legacy=1 - table["l2"] / 100)
    return table.assign(mr_low=table["mr"] - 0.1, mr_high=table["mr"], of_settings=table["value"] == chosen)


CURVES = pd.concat(
    [
        curve("P-FGVM", "lambda", 0.22, (0.44, 2.5, 0.83), (0.11, 2, 1), (0.22, 1.9, 1), (0.3, 2.2, 0.9)),
        curve("I-FGVM", "epsilon", 0.022, (0.013, 2, 0.58), (0.022, 3.1, 1), (0.044, 5.1, 1)),
        curve("I-FGSM", "epsilon", 0.026, (0.013, 1.5, 0.58), (0.026, 2.6, 1), (0.044, 4.1, 1)),
        curve("P-FGVM", "lambda", 0.28, (0.1, 0.8, 1), (0.28, 0.5, 0.9), model="B"),
    ]
)


def test_curves_run_over_the_parameter_and_mark_the_setting():
    figure = trade_off(CURVES, HEADINGS)
    assert titles(figure) == ["Model A", "", "Model B (dlib)", ""]
    [line] = [
        line for line in figure.axes[0].lines if line.get_linestyle() == "-" and line.get_color() == P_FGVM.colour
    ]
    assert line.get_xydata().tolist() == [[2, 1], [1.9, 1], [2.2, 0.9], [2.5, 0.83]]
    [set_at] = [line for line in figure.axes[2].lines if line.get_markersize() == 8]
    assert set_at.get_xydata().tolist() == [[0.5, 0.9]]
    [si] = [line for line in figure.axes[3].lines if line.get_markersize() == 8]
    assert si.get_xydata() == pytest.approx(np.array([[0.995, 0.9]]))
    assert list(legend(figure)) == ["P-FGVM, over λ", "I-FGVM, over ε", "I-FGSM, over ε"]


def test_ends_and_settings_are_labelled_without_overlap():
    figure = trade_off(CURVES, HEADINGS)
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    for ax in figure.axes:
        boxes = [Text.get_window_extent(text, renderer) for text in ax.texts]
        assert all(not first.overlaps(second) for first, second in combinations(boxes, 2))
    # λ 0.3 is neither.
    expected = {"● 0.11", "● 0.22", "● 0.44", "▲ 0.013", "▲ 0.022", "▲ 0.044", "▼ 0.013", "▼ 0.026", "▼ 0.044"}
    assert set(texts(figure.axes[0])) == set(texts(figure.axes[1])) == expected
    assert set(texts(figure.axes[2])) == {"● 0.1", "● 0.28"}


def test_a_sentence_replaces_the_row_of_an_equal_mr():
    equal = trade_off(CURVES.assign(mr=CURVES["mr"].where(CURVES["model"] == "A", 1)), HEADINGS)
    assert titles(equal) == ["Model A", ""] and "Model B (dlib): MR is 100.0 %" in equal.get_suptitle()
    assert trade_off(CURVES, HEADINGS).get_suptitle() == ""


# ── Visibility ────────────────────────────────────────────────────────────────────────────────────────────────────


def strengths(
    model: str, method: str, recogniser: str, *, seen: bool, tmr: tuple[float, ...], displaces: bool = False
) -> pd.DataFrame:
    values = [0.5, 1.0, 4.0]
    table = pd.DataFrame({"strength": values, "tmr": tmr, "mssim_face": [0.99, 0.95, 0.7], "flip_face": values})
    table["flip_close"], table["flip_displaced"] = 2 * table["flip_face"], 0.1
    table["displacement"] = 3 * table["strength"] if displaces else 0.0
    table = table.assign(low=table["tmr"] - 0.1, high=table["tmr"] + 0.1, fmr=0.01, images=12)
    return table.assign(model=model, method=method, recogniser=recogniser, seen=seen)[VISIBILITY_COLUMNS]


def test_visibility_by_recogniser_with_white_box_lines_dashed():
    table = pd.concat(
        [
            strengths("", "Pixelation", "dlib", seen=False, tmr=(0.5, 0.4, 0.1)),
            strengths("B", "P-FGVM", "dlib", seen=True, tmr=(0.7, 0.1, 0.0)),
            strengths("B", "P-FGVM", "mine", seen=False, tmr=(0.75, 0.7, 0.3)),
        ]
    )
    figure = visibility_figure(table)
    # No method displaces pixels, so there is no panel of the displacement.
    assert titles(figure) == ["dlib", "", "", "mine", "", ""]
    assert "1 %" in figure.axes[0].get_ylabel()
    # The lowest visibility is at the left: the highest MSSIM, the lowest FLIP.
    assert [ax.xaxis_inverted() for ax in figure.axes] == [True, False, False, True, False, False]
    dashes = [
        {line.get_linestyle() for line in ax.lines if line.get_color() == P_FGVM.colour} - {"None"}
        for ax in figure.axes
    ]
    assert dashes == [{"--"}] * 3 + [{"-"}] * 3
    [set_at] = [line for line in figure.axes[3].lines if line.get_markersize() == 8]
    assert set_at.get_xydata().tolist() == [[0.95, 0.7]]
    methods, dashed = list(legend(figure))[:-1], list(legend(figure).values())[-1]
    assert methods == ["P-FGVM (Model B)", "Pixelation"] and dashed.get_linestyle() == "--"


def test_only_methods_that_displace_pixels_have_a_line_over_the_displacement():
    table = pd.concat(
        [
            strengths("B", "P-FGVM", "dlib", seen=False, tmr=(0.7, 0.1, 0.0)),
            strengths("", "Pixelation", "dlib", seen=False, tmr=(0.5, 0.4, 0.1), displaces=True),
        ]
    )
    *others, last = visibility_figure(table).axes
    assert "displacement" in last.get_xlabel() and len(others) == 3
    assert {line.get_color() for line in last.lines} == {styles(table["method"])["Pixelation"].colour}
    lengths = {length for line in last.lines for length in line.get_xdata()}
    assert lengths == {1.5, 3, 12}
    assert all(len({line.get_color() for line in ax.lines}) == 2 for ax in others)


# ── Recognition ───────────────────────────────────────────────────────────────────────────────────────────────────


def result(model: str, method: str, recogniser: str, rate: float, **changes: object) -> dict:
    row = {"model": model, "method": method, "recogniser": recogniser, "seen": False, "fmr": 0.01, "note": ""}
    row |= {"tmr_clean": 0.9, "tmr_protected": rate, "low": rate - 0.1, "high": rate + 0.1}
    return row | changes


RECOGNITION = [
    result("A", "Clean", "dlib", 0.9),
    result("A", "P-FGVM", "dlib", 0.8),
    result("A", "P-FGVM", "dlib", 0.3, fmr=0.001),
    result("A", "Fawkes", "dlib", 0.7),
    result("B", "Clean", "dlib", 0.9),
    result("B", "P-FGVM", "dlib", 0.1, seen=True),
    result("A", "P-FGVM", "sface", 0.85, tmr_clean=0.95),
    result("B", "P-FGVM", "sface", 0.75, tmr_clean=0.95),
]


def test_recognition_at_the_highest_false_match_rate_with_intervals():
    figure = recognition_figure(pd.DataFrame(RECOGNITION), HEADINGS)
    dlib, sface = figure.axes
    assert titles(figure) == ["dlib", "SFace"]
    assert [x for x, _ in marked(dlib, "o", P_FGVM.colour)] == [0.8, 0.1]
    assert [x for x, _ in marked(sface, "o", P_FGVM.colour)] == [0.85, 0.75]
    # The clean rate of each line.
    assert [x for x, _ in marked(dlib, "|")] == [0.9] * 3 and [x for x, _ in marked(sface, "|")] == [0.95] * 2
    intervals = [line.get_xdata().tolist() for line in sface.lines if line.get_linestyle() == "-"]
    assert intervals == [pytest.approx([0.75, 0.95]), pytest.approx([0.65, 0.85])]
    assert "1 %" in dlib.get_xlabel()


def test_recognition_names_its_lines_below_each_model():
    dlib = recognition_figure(pd.DataFrame(RECOGNITION), HEADINGS).axes[0]
    names = [label.get_text() for label in dlib.get_yticklabels()]
    assert names == ["Model A", "P-FGVM", "Fawkes", "Model B (dlib)", "P-FGVM"]
    places = dict(zip([0, 1, 2, 3, 4], dlib.get_yticks(), strict=True))
    assert [y for _, y in marked(dlib, "o", P_FGVM.colour)] == [places[1], places[4]]
    assert dlib.yaxis_inverted()


def test_a_white_box_result_is_dashed_with_a_hollow_marker():
    figure = recognition_figure(pd.DataFrame(RECOGNITION), HEADINGS)
    hollow = [line.get_xdata().tolist() for ax in figure.axes for line in ax.lines if line.get_fillstyle() == "none"]
    assert hollow == [[0.1]]
    [dashed] = [line for ax in figure.axes for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed.get_xdata().tolist() == pytest.approx([0, 0.2])
    assert len(legend(figure)) == 3
    black_box = recognition_figure(pd.DataFrame([row for row in RECOGNITION if not row["seen"]]), HEADINGS)
    assert len(legend(black_box)) == 2


def test_a_panel_without_a_threshold_states_the_reason():
    nothing = dict.fromkeys(["tmr_clean", "tmr_protected", "low", "high"], np.nan)
    note = "needs 3,000 pairs of other persons; there are 435"
    further = [result(model, "P-FGVM", "mine", 0, note=note, **nothing) for model in "AB"]
    figure = recognition_figure(pd.DataFrame([*RECOGNITION, *further]), HEADINGS)
    assert note in " ".join(texts(figure.axes[2])[0].split())


def test_every_recogniser_has_a_panel():
    rows = [result("A", "P-FGVM", f"r{number}", 0.5) for number in range(6)]
    figure = recognition_figure(pd.DataFrame(rows), HEADINGS)
    assert titles(figure) == [f"r{number}" for number in range(6)]


# ── Robustness ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_robustness_of_each_method_after_each_transform():
    transforms, methods = ["PNG", "JPEG 50", "crop 2 %"], ["Clean", "P-FGVM", "Fawkes"]
    rates = {"Clean": 0.1, "P-FGVM": 0.9, "Fawkes": 0.5}
    rows = [
        (model, method, transform, 60, rate, rate - 0.05, rate + 0.05)
        for model, method, (number, transform) in product("AB", methods, enumerate(transforms))
        for rate in [rates[method] - 0.1 * number * (model == "B") + 0.05]
    ]
    figure = robustness_figure(pd.DataFrame(rows, columns=ROBUSTNESS_COLUMNS[:7]), HEADINGS)
    first, second = figure.axes
    assert titles(figure) == ["Model A", "Model B (dlib)"]
    assert [label.get_text() for label in second.get_xticklabels()] == transforms
    shown = marked(second, P_FGVM.marker, P_FGVM.colour)
    assert [y for _, y in shown] == pytest.approx([0.95, 0.85, 0.75])
    # Each at the place of its transform, methods in the order of the legend.
    assert [round(x) for x, _ in shown] == [0, 1, 2]
    by_method = [line.get_xdata()[0] for line in first.lines]
    assert by_method == sorted(by_method) and len(set(by_method)) == 3
    assert list(legend(figure)) == methods
    segments = [segment[:, 1].tolist() for segment in second.collections[1].get_segments()]
    assert segments == [pytest.approx([0.9, 1.0]), pytest.approx([0.8, 0.9]), pytest.approx([0.7, 0.8])]


# ── Identities ────────────────────────────────────────────────────────────────────────────────────────────────────


def by_identity(rates: Mapping[str, tuple[float, float]], model: str = "A", method: str = "P-FGVM") -> pd.DataFrame:
    """MR and L2 of each identity."""
    rows = [(model, method, person, 2, l2, mr) for person, (mr, l2) in rates.items()]
    return pd.DataFrame(rows, columns=PERSONS_COLUMNS)


DESCRIPTORS = {"A": "none", "B": "dlib"}


def line_names(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def test_identities_are_sorted_by_mr_then_l2():
    rates = {"a": (1, 2.0), "b": (0.5, 1.0), "c": (1, 3.0), "李小龍": (1, 2.5), "$x_1$\n": (0.5, 1.5)}
    others = by_identity({"a": (0, 9)}, method="I-FGVM")
    figure = persons_figure(pd.concat([others, by_identity(rates)]), DESCRIPTORS)
    mr, l2 = figure.axes
    assert line_names(mr) == ["$x_1$\\n", "b", "c", "李小龍", "a"]
    assert marked(mr, "o") == [[0.5, 0], [0.5, 1], [1, 2], [1, 3], [1, 4]]
    assert [x for x, _ in marked(l2, "o")] == [1.5, 1.0, 3.0, 2.5, 2.0]
    assert mr.yaxis_inverted()
    assert "李小龍" in svg(figure, prefix="persons", title="").decode()


def test_the_tenth_at_either_end_is_shaded():
    figure = persons_figure(by_identity({f"{n:02}": (n / 20, n) for n in range(20)}), DESCRIPTORS)
    assert len(figure.axes) == 2
    for ax in figure.axes:
        spans = sorted((patch.get_y(), patch.get_y() + patch.get_height()) for patch in ax.patches)
        assert spans == [(-0.5, 1.5), (17.5, 19.5)]


def test_at_most_12_identities_are_labelled_and_the_height_is_limited():
    few, thirty, many = (
        persons_figure(by_identity({f"identity {n:03}": (1, n) for n in range(count)}), DESCRIPTORS)
        for count in (12, 30, 300)
    )
    assert [len(line_names(figure.axes[0])) for figure in (few, thirty, many)] == [12, 10, 12]
    assert line_names(many.axes[0])[0] == "identity 299" and "300 identities" in many.axes[0].get_ylabel()
    assert few.get_figheight() < thirty.get_figheight() == many.get_figheight()
    assert len(marked(many.axes[0], "o")) == 300


def test_a_sentence_replaces_the_panel_of_an_equal_mr():
    rates = {"a": (1, 2.0), "b": (0.5, 1.0)}
    equal = by_identity({"a": (1, 2.0), "b": (1, 1.0)})
    figure = persons_figure(pd.concat([equal, by_identity(rates, model="B")]), DESCRIPTORS)
    l2_of_a, mr_of_b, l2_of_b = figure.axes
    assert [x for x, _ in marked(l2_of_a, "o")] == [2.0, 1.0] and "MR is 100.0 %" in l2_of_a.get_title(loc="left")
    assert [x for x, _ in marked(mr_of_b, "o")] == [0.5, 1] and [x for x, _ in marked(l2_of_b, "o")] == [1.0, 2.0]
    assert l2_of_a.get_xlim() == l2_of_b.get_xlim()


def test_recognition_by_identity_next_to_that_of_clean_images():
    rows = [
        ("A", "P-FGVM", "dlib", "a", 2, 0.9, 0.8), ("A", "P-FGVM", "dlib", "b", 2, 0.7, 0.6),
        ("A", "P-FGVM", "sface", "a", 2, 0.9, 0.1), ("A", "P-FGVM", "sface", "b", 2, 0.8, 0.5),
        ("A", "Clean", "dlib", "a", 2, 0.1, 0.1), ("B", "P-FGVM", "dlib", "b", 2, 0.9, 0.2),
        ("B", "P-FGVM", "dlib", "a", 2, 0.8, np.nan),
    ]  # fmt: skip
    figure = recognised_persons_figure(pd.DataFrame(rows, columns=RECOGNISED_PERSONS_COLUMNS), DESCRIPTORS)
    on_a, sface, on_b, _ = figure.axes
    # On A, the mean rate of b over the recognisers, 0.55, is above that of a, 0.45.
    assert line_names(on_a) == ["b", "a"] and line_names(on_b) == ["b", "a"]
    assert [x for x, _ in marked(on_a, "o")] == [0.6, 0.8] and [x for x, _ in marked(on_a, "|")] == [0.7, 0.9]
    assert [x for x, _ in marked(sface, "o")] == [0.5, 0.1]
    assert [x for x, _ in marked(on_b, "o")] == pytest.approx([0.2, np.nan], nan_ok=True)
    # Model B uses dlib.
    assert "dlib" in on_a.get_xlabel() and "SFace" in sface.get_xlabel()
    assert on_b.get_xlabel().startswith(on_a.get_xlabel()) and on_b.get_xlabel() != on_a.get_xlabel()

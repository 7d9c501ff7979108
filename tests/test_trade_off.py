"""Trade-off curves of cost against MR, and methods compared at equal misclassification rates."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from faces_on_disk import picture
from ruamel.yaml import YAML
from scipy.stats import binomtest

from pfgvm import seeding
from pfgvm.attacks import i_fgsm, p_fgvm
from pfgvm.attacks.common.targets import choose_targets
from pfgvm.evaluation.findings.trade_off import (
    CURVE_SCORES,
    CURVES_COLUMNS,
    EQUAL_MR_COLUMNS,
    at_equal_mr,
    cheapest,
    curves,
)
from pfgvm.evaluation.metrics import l2, mssim, mssim_legacy
from pfgvm.evaluation.scoring import SCORE_COLUMNS
from pfgvm.models import model_a
from stages.common.data_frames import read_numbers, write_table
from stages.common.face_archive import read_images, write_faces
from stages.evaluation import curve
from stages.evaluation import curves as curves_stage
from stages.networks.resumable import Shard
from stages.networks.trained_model import TrainedModel
from tests.committed_settings import changed
from tests.records import training_record


def points(
    *rows: tuple[float, float, float, float], model: str = "A", method: str = "P-FGVM", chosen: float = math.nan
) -> pd.DataFrame:
    """A curve of (value, L2, legacy MSSIM, MR), of which the value `chosen` is that of the settings."""
    table = pd.DataFrame(rows, columns=["value", "l2", "mssim_legacy", "mr"])
    return table.assign(model=model, method=method, of_settings=table["value"] == chosen)


# ── Curves ────────────────────────────────────────────────────────────────────────────────────────────────────────


def scored(value: float, predicted: str, costs: list[float], **changes: Any) -> pd.DataFrame:
    """Scores of the images of a, a, b, b, whose target is t."""
    table = pd.DataFrame({"image": ["a1", "a2", "b1", "b2"], "person": list("aabb"), "predicted": list(predicted)})
    table = table.assign(l2=costs, mssim=np.array(costs) / 10, mssim_legacy=1 - np.array(costs) / 100, value=value)
    table = table.assign(model="A", method="P-FGVM", parameter="lambda", target="t", of_settings=value == 0.4)
    return table.assign(**changes)[CURVE_SCORES]


def test_curves_counted_by_hand():
    table = pd.concat(
        [
            scored(0.4, "atbx", [1, 2, 3, 4]),
            scored(0.1, "tttx", [4, 5, 6, 7]),
            scored(0.1, "aabb", [1, 1, 1, 2], model="B"),
            scored(0.02, "xabt", [0, 1, 0, 1], method="I-FGSM", parameter="epsilon"),
        ]
    )
    points = curves(table)
    assert list(points) == CURVES_COLUMNS
    promised = "model,method,parameter,value,images,l2,mssim,mssim_legacy,mr,target_rate".split(",")
    assert CURVES_COLUMNS[: len(promised)] == promised
    expected = [
        ("A", "I-FGSM", "epsilon", 0.02, 4, 0.5, 0.05, 0.995, 0.5, 0.25, 2),
        ("A", "P-FGVM", "lambda", 0.1, 4, 5.5, 0.55, 0.945, 1, 0.75, 4),
        ("A", "P-FGVM", "lambda", 0.4, 4, 2.5, 0.25, 0.975, 0.5, 0.25, 2),
        ("B", "P-FGVM", "lambda", 0.1, 4, 1.25, 0.125, 0.9875, 0, 0, 0),
    ]
    for row, (*values, missed) in zip(points.itertuples(index=False, name=None), expected, strict=True):
        assert row[:4] == tuple(values[:4])
        assert row[4:10] == pytest.approx(values[4:])
        assert row[10:12] == pytest.approx(tuple(binomtest(missed, 4).proportion_ci(method="wilson")))
    assert points["of_settings"].tolist() == [False, False, True, False]


# ── The smallest L2 at a rate ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mr", "expected"),
    [
        # Halfway between two values.
        (0.75, (3, 0.925)),
        (0.25, (1.5, 0.97)),
        # At a value itself.
        (0.5, (2, 0.95)),
        (1, (4, 0.9)),
        (0, (1, 0.99)),
    ],
)
def test_between_neighbours_a_curve_is_straight(mr: float, expected: tuple[float, float]):
    curve_of_three = points((0.2, 2, 0.95, 0.5), (0.1, 4, 0.9, 1), (0.4, 1, 0.99, 0))
    assert cheapest(curve_of_three, mr) == pytest.approx(expected)


def test_a_rate_that_is_not_reached_has_no_price():
    assert np.isnan(cheapest(points((0.1, 1, 0.9, 0.4), (0.2, 2, 0.8, 0.6)), 0.61)).all()
    assert np.isnan(cheapest(points((0.1, 1, 0.9, 0.4)), 0.5)).all()
    assert cheapest(points((0.1, 1, 0.9, 0.4)), 0.4) == (1, 0.9)


def test_of_a_plateau_the_cheaper_end_counts():
    plateau = points((0.01, 1, 0.99, 0.25), (0.02, 3, 0.93, 0.75), (0.04, 6, 0.8, 0.75))
    assert cheapest(plateau, 0.75) == (3, 0.93)
    assert cheapest(plateau, 0.5) == pytest.approx((2, 0.96))
    # Where more cost brings less, the costlier end is of no use.
    assert cheapest(points((1, 5, 0.8, 0.5), (2, 2, 0.9, 0.5)), 0.5) == (2, 0.9)


def test_a_curve_that_falls_again_is_read_where_it_is_cheapest():
    # Reached at 5 on the way up, at 2.5 on the way down.
    bent = points((1, 8, 0.5, 0), (2, 2, 0.9, 1), (3, 3, 0.8, 0), (4, 9, 0.4, 0.9))
    assert cheapest(bent, 0.5) == pytest.approx((2, 0.9))
    turned = points((1, 1, 0.9, 0), (2, 5, 0.5, 0.8), (3, 2, 0.8, 0.2))
    assert cheapest(turned, 0.5) == pytest.approx((3.5, 0.65))
    assert cheapest(turned, 0.2) == pytest.approx((2, 0.8))


@pytest.mark.parametrize("seed", range(5))
def test_the_cheapest_is_that_of_a_fine_grid(seed: int):
    random = np.random.default_rng(seed)
    drawn = points(*((value, *random.uniform(size=3)) for value in random.permutation(6)))
    ordered = drawn.sort_values("value")
    grid = np.linspace(0, 5, 500_001)
    cost, similarity, rate = (np.interp(grid, range(6), ordered[name]) for name in ("l2", "mssim_legacy", "mr"))
    for mr in random.uniform(0.1, 0.9, 20):
        reached = np.flatnonzero(rate >= mr)
        if not len(reached):
            assert np.isnan(cheapest(drawn, mr)).all()
            continue
        best = reached[cost[reached].argmin()]
        assert cheapest(drawn, mr) == pytest.approx((cost[best], similarity[best]), abs=1e-4)


def test_methods_at_each_others_rates_by_hand():
    table = pd.concat(
        [
            points((0.1, 4, 0.9, 1), (0.2, 2, 0.95, 0.5), (0.4, 1, 0.99, 0), chosen=0.2),
            points((0.01, 1, 0.99, 0.25), (0.02, 3, 0.93, 0.75), (0.04, 6, 0.8, 0.75), method="I-FGSM", chosen=0.02),
            points((0.02, 9, 0.5, 0.1), method="I-FGVM", chosen=0.02),
            # Model B has no curve of the method proposed.
            points((0.02, 9, 0.5, 0.1), model="B", method="I-FGVM", chosen=0.02),
        ]
    )
    equal_mr = at_equal_mr(table, "P-FGVM")
    assert list(equal_mr) == EQUAL_MR_COLUMNS
    rows = {(row["method"], row["other"]): row for row in equal_mr.to_dict("records")}
    assert len(equal_mr) == 4 and set(equal_mr["model"]) == {"A"}

    def numbers(method: str, other: str) -> list[float]:
        return [rows[method, other][name] for name in EQUAL_MR_COLUMNS[3:]]

    # mr, other's L2 and SI; own L2 and SI there.
    assert numbers("P-FGVM", "I-FGSM") == pytest.approx([0.75, 3, 0.93, 3, 0.925])
    assert numbers("I-FGSM", "P-FGVM") == pytest.approx([0.5, 2, 0.95, 2, 0.96])
    assert numbers("P-FGVM", "I-FGVM") == pytest.approx([0.1, 9, 0.5, 1.2, 0.982])
    assert numbers("I-FGVM", "P-FGVM") == pytest.approx([0.5, 2, 0.95, math.nan, math.nan], nan_ok=True)


# ── The stages ────────────────────────────────────────────────────────────────────────────────────────────────────

SIZE = (48, 40)
NAMES = [f"{number}.png" for number in range(6)]
# Five of the six, drawn by the seed.
DRAWN = sorted(seeding.shuffled(NAMES, 0, "curve images")[:5])
SETTINGS = {
    "data.image_size": list(SIZE),
    "device": "cpu",
    "attack.lambda": {"A": 0.2, "B": 0.28},
    "attack.p_fgvm": {"step_size": 2.0, "iterations": 2},
    "attack.i_fgsm": {"iterations": 2, "epsilon": {"A": 0.05, "B": 0.02}},
    "attack.batch_size": 4,
    "attack.images_per_person": None,
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pd.DataFrame]:
    """Run the stage curve on six faces of three identities; returns what it writes to `name`."""
    monkeypatch.chdir(tmp_path)
    record = training_record("A", classes=["1", "2", "3"], image_height=SIZE[0], image_width=SIZE[1])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        TrainedModel.write(model_a(3, SIZE).eval(), record, tmp_path / "A")
    write_faces(NAMES, lambda name: picture(name, size=SIZE[::-1]), tmp_path / "faces.zip")
    split = pd.DataFrame([(name, str(1 + n // 2), "train") for n, name in enumerate(NAMES)])
    write_table(split.set_axis(["image", "person", "split"], axis=1), tmp_path / "split.csv")

    def run(method: str, name: str = "curve.csv", values: list[float] | None = None, **how: Any) -> pd.DataFrame | None:
        varied = {"images": 5, "lambda": values or [0.1, 0.2, 0.4], "epsilon": [0.05, 0.1], "strengths": [1.0]}
        YAML(typ="safe", pure=True).dump(changed(SETTINGS | {"evaluation.curves": varied}), Path("params.yaml"))
        scores = pd.DataFrame(dict.fromkeys(SCORE_COLUMNS, 0.5), index=range(12))
        scores = scores.assign(image=NAMES * 2, pixels=["float"] * 6 + ["8bit"] * 6, model="A", method=method, l2=7.0)
        write_table(scores, tmp_path / "scores.csv")
        files = {"model": Path("A"), "faces": Path("faces.zip"), "split": Path("split.csv")}
        curve.main(method=method, scores=Path("scores.csv"), out=Path(name), **files, **how)
        return read_numbers(Path(name)) if Path(name).exists() else None

    return run


@pytest.mark.parametrize(
    ("method", "parameter", "chosen", "values"),
    [("p_fgvm", "lambda", 0.2, [0.1, 0.4]), ("i_fgsm", "epsilon", 0.05, [0.1])],
)
def test_a_curve_has_the_value_of_the_settings_from_the_scores_and_measures_others(
    made, method, parameter, chosen, values
):
    scores = made(method)
    assert list(scores) == CURVE_SCORES
    assert sorted(zip(scores["value"], scores["image"], strict=True)) == sorted(
        (value, name) for value in (chosen, *values) for name in DRAWN
    )
    assert {*zip(scores["model"], scores["method"], scores["parameter"], strict=True)} == {("A", method, parameter)}
    assert (scores["of_settings"] == (scores["value"] == chosen)).all()
    assert (scores[scores["of_settings"]]["l2"] == 7).all()

    network = TrainedModel.read(Path("A")).network(torch.device("cpu"))
    originals = torch.from_numpy(read_images(Path("faces.zip"), DRAWN, SIZE))
    persons = torch.tensor([int(name[0]) // 2 for name in DRAWN])
    targets = choose_targets("random", DRAWN, persons, network(originals).detach(), 0)
    last = scores[scores["value"] == values[-1]].set_index("image").loc[DRAWN]
    if method == "p_fgvm":
        expected = p_fgvm(network, originals, targets, step_size=2.0, iterations=2, penalty=values[-1])
    else:
        expected = i_fgsm(network, originals, targets, iterations=2, epsilon=values[-1])
    for name, metric in (("l2", l2), ("mssim", mssim), ("mssim_legacy", mssim_legacy)):
        # Another batch size sums in another order: a pixel's sign may differ.
        assert last[name].tolist() == pytest.approx(metric(expected, originals).tolist(), rel=0.02)
    assert last["target"].tolist() == [str(1 + target) for target in targets.tolist()]
    predictions = network(expected).argmax(1)
    assert last["predicted"].tolist() == [str(1 + person) for person in predictions.tolist()]


def test_a_curve_that_was_stopped_goes_on_with_no_other_values(made):
    assert made("p_fgvm", "stopped.csv", shard=Shard("1-of-2")) is None
    for name in ("stopped.csv", "anew.csv"):
        scores = made("p_fgvm", name, values=[0.05, 0.3])
        assert set(scores["value"]) == {0.2, 0.05, 0.3}
    assert Path("stopped.csv").read_bytes() == Path("anew.csv").read_bytes()


def test_curves_of_all_methods_come_together_under_their_labels(tmp_path):
    parts = {
        "p_fgvm": [scored(0.1, "tttx", [4, 4, 4, 4]), scored(0.4, "ttbb", [2, 2, 2, 2])],
        "i_fgsm": [
            scored(0.1, "txbb", [3, 3, 3, 3], parameter="epsilon"),
            scored(0.05, "aatt", [1, 1, 1, 1], parameter="epsilon", of_settings=True),
        ],
    }
    for key, tables in parts.items():
        write_table(pd.concat(tables).assign(method=key), tmp_path / f"{key}.csv")
    curves_stage.main(scores=[tmp_path / f"{key}.csv" for key in parts], out=tmp_path / "out")
    points = read_numbers(tmp_path / "out/curves.csv")
    assert list(points) == CURVES_COLUMNS
    assert points[["method", "value", "images", "l2", "mr", "of_settings"]].values.tolist() == [
        ["I-FGSM", 0.05, 4, 1, 0.5, True], ["I-FGSM", 0.1, 4, 3, 0.5, False],
        ["P-FGVM", 0.1, 4, 4, 1, False], ["P-FGVM", 0.4, 4, 2, 0.5, True],
    ]  # fmt: skip
    equal = read_numbers(tmp_path / "out/equal_mr.csv")
    assert equal[["method", "other", "l2"]].values.tolist() == [["P-FGVM", "I-FGSM", 2], ["I-FGSM", "P-FGVM", 1]]

"""Curves of cost against what is reached, and methods read off at equal misclassification rates."""

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
from pfgvm.models.training_record import TrainingRecord
from stages import curve
from stages import curves as curves_stage
from stages.common.curve_values import values_used
from stages.common.data_frames import read_table, write_table
from stages.common.face_archive import read_images, write_faces
from stages.common.program import read_settings
from stages.common.resumable import Shard
from stages.common.trained_model import TrainedModel

ROOT = Path(__file__).parent.parent


def points(*rows: tuple[float, float, float, float], model: str = "A", method: str = "P-FGVM") -> pd.DataFrame:
    """A curve of (value, L2, legacy MSSIM, MR)."""
    table = pd.DataFrame(rows, columns=["value", "l2", "mssim_legacy", "mr"])
    return table.assign(model=model, method=method)


# ── Curves ────────────────────────────────────────────────────────────────────────────────────────────────────────


def scored(value: float, predicted: str, costs: list[float], **changes: Any) -> pd.DataFrame:
    """Scores of the images of a, a, b, b, whose target is t."""
    table = pd.DataFrame({"image": ["a1", "a2", "b1", "b2"], "person": list("aabb"), "predicted": list(predicted)})
    table = table.assign(l2=costs, mssim=np.array(costs) / 10, mssim_legacy=1 - np.array(costs) / 100, value=value)
    return table.assign(**{"model": "A", "method": "P-FGVM", "parameter": "lambda", "target": "t"} | changes)


def test_curves_counted_by_hand():
    table = pd.concat(
        [
            scored(0.4, "atbx", [1, 2, 3, 4]),
            scored(0.1, "tttx", [4, 5, 6, 7]),
            scored(0.1, "aabb", [1, 1, 1, 2], model="B"),
            scored(0.02, "xabt", [0, 1, 0, 1], method="I-FGSM", parameter="epsilon"),
        ]
    )[CURVE_SCORES]
    found = curves(table)
    assert list(found) == CURVES_COLUMNS
    promised = "model,method,parameter,value,images,l2,mssim,mssim_legacy,mr,target_rate".split(",")
    assert CURVES_COLUMNS[: len(promised)] == promised
    expected = [
        ("A", "I-FGSM", "epsilon", 0.02, 4, 0.5, 0.05, 0.995, 0.5, 0.25, 2),
        ("A", "P-FGVM", "lambda", 0.1, 4, 5.5, 0.55, 0.945, 1, 0.75, 4),
        ("A", "P-FGVM", "lambda", 0.4, 4, 2.5, 0.25, 0.975, 0.5, 0.25, 2),
        ("B", "P-FGVM", "lambda", 0.1, 4, 1.25, 0.125, 0.9875, 0, 0, 0),
    ]
    for row, (*values, missed) in zip(found.itertuples(index=False, name=None), expected, strict=True):
        assert row[:4] == tuple(values[:4])
        assert row[4:10] == pytest.approx(values[4:])
        assert row[10:] == pytest.approx(tuple(binomtest(missed, 4).proportion_ci(method="wilson")))


# ── The cheapest way to a rate ────────────────────────────────────────────────────────────────────────────────────


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
            points((0.1, 4, 0.9, 1), (0.2, 2, 0.95, 0.5), (0.4, 1, 0.99, 0)),
            points((0.01, 1, 0.99, 0.25), (0.02, 3, 0.93, 0.75), (0.04, 6, 0.8, 0.75), method="I-FGSM"),
            points((0.02, 9, 0.5, 0.1), method="I-FGVM"),
            # Model B has no curve of the method proposed.
            points((0.02, 9, 0.5, 0.1), model="B", method="I-FGVM"),
        ]
    )
    settings = {("A", "P-FGVM"): 0.2, ("A", "I-FGSM"): 0.02, ("A", "I-FGVM"): 0.02, ("B", "I-FGVM"): 0.02}
    found = at_equal_mr(table, settings, "P-FGVM")
    assert list(found) == EQUAL_MR_COLUMNS
    rows = {(row["method"], row["other"]): row for row in found.to_dict("records")}
    assert len(found) == 4 and set(found["model"]) == {"A"}

    def numbers(method: str, other: str) -> list[float]:
        return [rows[method, other][name] for name in EQUAL_MR_COLUMNS[3:]]

    # mr, other's L2 and SI; own L2 and SI there.
    assert numbers("P-FGVM", "I-FGSM") == pytest.approx([0.75, 3, 0.93, 3, 0.925])
    assert numbers("I-FGSM", "P-FGVM") == pytest.approx([0.5, 2, 0.95, 2, 0.96])
    assert numbers("P-FGVM", "I-FGVM") == pytest.approx([0.1, 9, 0.5, 1.2, 0.982])
    assert numbers("I-FGVM", "P-FGVM") == pytest.approx([0.5, 2, 0.95, math.nan, math.nan], nan_ok=True)


def test_nothing_to_compare_is_an_empty_table():
    nothing = curves(pd.DataFrame(columns=CURVE_SCORES))
    assert list(nothing) == CURVES_COLUMNS and nothing.empty
    equal = at_equal_mr(nothing, {}, "P-FGVM")
    assert list(equal) == EQUAL_MR_COLUMNS and equal.empty


# ── The stages ────────────────────────────────────────────────────────────────────────────────────────────────────

SIZE = (48, 40)
TINY = {
    "data.image_size": list(SIZE),
    "device": "cpu",
    "attack.lambda": {"A": 0.2, "B": 0.28},
    "attack.p_fgvm": {"step_size": 2.0, "iterations": 2},
    "attack.i_fgsm": {"iterations": 2, "epsilon": {"A": 0.05, "B": 0.02}},
    "attack.i_fgvm.epsilon": 0.03,
    "attack.batch_size": 4,
    "attack.images_per_person": None,
    "evaluation.parts": ["curves"],
    "evaluation.curves": {"images": 5, "lambda": [0.1, 0.2, 0.4], "epsilon": [0.05, 0.1], "strengths": [1.0]},
}


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write params.yaml at a tiny scale, with changes, into the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(**changes: Any) -> None:
        values = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
        for key, value in (TINY | {name.replace("__", "."): value for name, value in changes.items()}).items():
            *sections, last = key.split(".")
            section = values
            for name in sections:
                section = section[name]
            section[last] = value
        YAML(typ="safe", pure=True).dump(values, Path("params.yaml"))

    write()
    return write


@pytest.fixture
def made(configure, tmp_path: Path) -> dict[str, Path]:
    """A model, six faces of three persons, and their split."""
    shares = {f"{name}_{kind}": 1 for name in ("train", "validation", "test") for kind in ("size", "accuracy")}
    record = TrainingRecord(
        model="A", descriptor="none", descriptor_sha256=None, frozen=None, dataset="folder", classes=["1", "2", "3"],
        images=6, image_height=SIZE[0], image_width=SIZE[1], normalization="MinMax", learning_rate=1e-4,
        optimization="Adam", loss="Cross Entropy", batch_size=16, epochs=1, epoch_used=1, layers=[], device="cpu",
        versions={}, **shares,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        TrainedModel.write(model_a(3, SIZE).eval(), record, tmp_path / "models" / "A")
    names = [f"{number}.png" for number in range(6)]
    write_faces(names, lambda name: picture(name, size=SIZE[::-1]), tmp_path / "faces.zip")
    lines = [f"{name},{1 + number // 2},train\n" for number, name in enumerate(names)]
    (tmp_path / "split.csv").write_text("image,person,split\n" + "".join(lines))
    return {"model": tmp_path / "models" / "A", "faces": tmp_path / "faces.zip", "split": tmp_path / "split.csv"}


@pytest.mark.parametrize(
    ("method", "named", "values"),
    [("p_fgvm", ("P-FGVM", "lambda"), [0.1, 0.4]), ("i_fgsm", ("I-FGSM", "epsilon"), [0.1])],
)
def test_a_curve_holds_the_further_values_alone(made, tmp_path, method, named, values):
    curve.main(method=method, out=tmp_path / "curve.csv", **made)
    found = read_table(tmp_path / "curve.csv")
    assert list(found) == CURVE_SCORES
    # Five of the six images, drawn by the seed; the settings' own value was measured elsewhere.
    drawn = sorted(seeding.shuffled([f"{number}.png" for number in range(6)], 0, "curve images")[:5])
    assert sorted(zip(found["value"].astype(float), found["image"], strict=True)) == [
        (value, name) for value in values for name in drawn
    ]
    assert set(zip(found["model"], found["method"], found["parameter"], strict=True)) == {("A", *named)}

    network = TrainedModel.read(made["model"]).network(torch.device("cpu"))
    originals = torch.from_numpy(read_images(made["faces"], drawn, SIZE))
    persons = torch.tensor([int(name[0]) // 2 for name in drawn])
    targets = choose_targets("random", drawn, persons, network(originals).detach(), 0)
    last = found[found["value"].astype(float) == values[-1]].set_index("image").loc[drawn]
    if method == "p_fgvm":
        expected = p_fgvm(network, originals, targets, step_size=2.0, iterations=2, penalty=values[-1])
    else:
        expected = i_fgsm(network, originals, targets, iterations=2, epsilon=values[-1])
    for name, metric in (("l2", l2), ("mssim", mssim), ("mssim_legacy", mssim_legacy)):
        # The fused model sums otherwise: a pixel's sign may differ.
        assert last[name].astype(float).tolist() == pytest.approx(metric(expected, originals).tolist(), rel=0.02)
    assert last["target"].tolist() == [str(1 + target) for target in targets.tolist()]
    seen = network(expected).argmax(1)
    assert last["predicted"].tolist() == [str(1 + person) for person in seen.tolist()]


def test_a_curve_that_was_stopped_goes_on_with_no_other_values(made, configure, tmp_path):
    curve.main(method="p_fgvm", out=tmp_path / "stopped.csv", shard=Shard("1-of-2"), **made)
    assert not (tmp_path / "stopped.csv").exists()
    configure(evaluation__curves={"images": 5, "lambda": [0.05, 0.3], "epsilon": [0.05], "strengths": [1.0]})
    for name in ("stopped", "anew"):
        curve.main(method="p_fgvm", out=tmp_path / f"{name}.csv", **made)
    assert (tmp_path / "stopped.csv").read_bytes() == (tmp_path / "anew.csv").read_bytes()
    assert set(read_table(tmp_path / "stopped.csv")["value"]) == {"0.05", "0.3"}


def test_the_settings_own_values_come_from_the_scores(configure, tmp_path):
    # λ of Model A is 0.2, ε of I-FGSM 0.05.
    further = tmp_path / "further"
    write_table(scored(0.1, "tttx", [4, 4, 4, 4])[CURVE_SCORES], further / "A" / "p_fgvm.csv")
    i_fgsm_values = {"method": "I-FGSM", "parameter": "epsilon"}
    write_table(scored(0.1, "txbb", [3, 3, 3, 3], **i_fgsm_values)[CURVE_SCORES], further / "A" / "i_fgsm.csv")
    own = [
        scored(0, "ttbb", [2, 2, 2, 2]),
        scored(0, "aatt", [1, 1, 1, 1], **i_fgsm_values),
        scored(0, "tttt", [0] * 4, method="DDN"),
    ]
    done = pd.concat([table.assign(pixels="float") for table in own])
    # Neither the 8-bit picture nor an image without a curve counts.
    extra = done.iloc[:1].assign(image="c9", person="c", l2=99.0)
    done = pd.concat([done, done.assign(pixels="8bit", l2=50.0), extra])
    done = done.assign(split="test", predicted_clean="a", linf=0.0, confidence_clean=1.0, confidence=1.0)
    done = done[SCORE_COLUMNS]
    write_table(done, tmp_path / "scores.csv")

    curves_stage.main(curve_scores=further, scores=tmp_path / "scores.csv", out=tmp_path / "out")
    found = read_table(tmp_path / "out" / "curves.csv")
    assert list(found) == CURVES_COLUMNS
    seen = [
        (row["method"], *(float(row[name]) for name in ("value", "images", "l2", "mr"))) for _, row in found.iterrows()
    ]
    assert seen == [
        ("I-FGSM", 0.05, 4, 1, 0.5), ("I-FGSM", 0.1, 4, 3, 0.5), ("P-FGVM", 0.1, 4, 4, 1), ("P-FGVM", 0.2, 4, 2, 0.5),
    ]  # fmt: skip
    equal = read_table(tmp_path / "out" / "equal_mr.csv")
    assert list(equal) == EQUAL_MR_COLUMNS
    assert equal[["method", "other", "l2"]].to_numpy().tolist() == [
        ["P-FGVM", "I-FGSM", "2.0"],
        ["I-FGSM", "P-FGVM", "1.0"],
    ]


def test_curves_not_asked_for_are_headers(configure, tmp_path):
    configure(evaluation__parts=["quality"])
    missing = tmp_path / "missing"
    curves_stage.main(curve_scores=missing, scores=missing, out=tmp_path / "out")
    assert (tmp_path / "out" / "curves.csv").read_text() == ",".join(CURVES_COLUMNS) + "\n"
    assert (tmp_path / "out" / "equal_mr.csv").read_text() == ",".join(EQUAL_MR_COLUMNS) + "\n"


def test_the_values_are_those_that_the_methods_ran_with(configure):
    assert values_used(read_settings().attack) == {
        ("A", "P-FGVM"): ("lambda", 0.2), ("B", "P-FGVM"): ("lambda", 0.28),
        ("A", "I-FGVM"): ("epsilon", 0.03), ("B", "I-FGVM"): ("epsilon", 0.03),
        ("A", "I-FGSM"): ("epsilon", 0.05), ("B", "I-FGSM"): ("epsilon", 0.02),
    }  # fmt: skip

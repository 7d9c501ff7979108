"""The evaluation beyond the paper, run for real by its programs on the built project."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pfgvm.evaluation.transforms import SURVIVAL
from tests.project import Project

# What its fixtures run takes minutes: once, on one of the workers.
pytestmark = pytest.mark.xdist_group("evaluation")

PARTS = ["recognition", "survival", "adaptive", "quality", "curves", "references", "old_ways"]
FINDINGS = (
    "recognition", "thresholds", "pairs", "recognised_persons", "recognised_images", "transfer", "survival",
    "adaptive", "quality",
    "visibility",
)  # fmt: skip
# The folder of the set, and the model with which it is made or looked at.
CELLS = [("A", "p_fgvm", "A"), ("B", "p_fgvm", "B"), ("any", "clean", "A"), ("any", "k_same", "A")]
# As others check against them.
CONTRACT = {
    "recognition": "model,method,recogniser,seen,fmr,threshold,tmr_clean,tmr_protected,low,high,tmr_both,"
    "drop_over_random,drop_low,drop_high,rank1_clean,rank1_protected,found",
    "survival": "model,method,transform,images,mr,low,high,target_rate,mssim",
    "adaptive": "model,method,attacker,share,accuracy_protected,low,high,accuracy_clean",
    "curves": "model,method,parameter,value,images,l2,mssim,mssim_legacy,mr,target_rate",
    "persons": "model,method,person,images,l2,mr",
}
SETTINGS = {
    "evaluation.parts": PARTS,
    "evaluation.calibration.persons": 9,
    "evaluation.calibration.images_per_person": 12,
    "evaluation.curves.images": 3,
    "evaluation.curves.lambda": [0.05, 2.0],
    "attack.k_same.k": 2,
}


def options(folder: str, method: str, model: str) -> dict[str, str]:
    """What the programs that work on one set are told."""
    return {
        "--model": f"data/models/{model}",
        "--faces": "data/faces.zip",
        "--adversarial": f"data/beyond/{folder}/{method}.npy",
        "--out": f"data/beyond/evaluated/{folder}/{method}.npy",
    }


def flat(values: dict[str, str]) -> list[str]:
    return [word for pair in values.items() for word in pair]


@pytest.fixture(scope="module")
def evaluated(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the built project with some sets evaluated, all parts asked for; the tables lie in data/beyond."""
    built = built.copied(tmp_path_factory.mktemp("evaluated") / "project")
    built.set(**SETTINGS)
    built.stage("settings", "--out", "data/settings.txt")
    split = ["--split", "data/split.csv"]
    others = ["--calibration", "data/beyond/calibration.csv"]
    drawn = ["--faces", "data/beyond/calibration.zip"]
    built.stage("calibration", "--subset", "data/subset.csv", *others, *drawn)
    others += ["--other_faces", "data/beyond/calibration.zip", "--out", "data/beyond/gallery.npy"]
    built.stage("gallery", *split, "--faces", "data/faces.zip", *others)
    for folder, method, model in CELLS:
        values = options(folder, method, model)
        where = ["--model", values["--model"], "--faces", values["--faces"], *split, "--out", values["--adversarial"]]
        built.stage("attack", "--method", method, *where)
        built.stage("evaluate", *flat(values))
    for folder, method in (("B", "p_fgvm"), ("any", "k_same")):
        names = f"{folder}/{method}.npy"
        where = ["--faces", "data/faces.zip", "--adversarial", f"data/beyond/{names}"]
        built.stage("visibility", "--method", method, *where, "--out", f"data/beyond/visibility/{names}")
    for table in FINDINGS:
        seen = ["--evaluated", "data/beyond/evaluated", "--strengths", "data/beyond/visibility"]
        seen += ["--gallery", "data/beyond/gallery.npy", *split]
        built.stage("finding", "--table", table, *seen, "--out", f"data/beyond/{table}.csv")
    for method in ("p_fgvm", "i_fgvm", "i_fgsm"):
        values = options("A", method, "A")
        where = ["--model", values["--model"], "--faces", values["--faces"], *split]
        built.stage("curve", "--method", method, *where, "--out", f"data/beyond/curves/A/{method}.csv")
    built.stage("curves", "--curve_scores", "data/beyond/curves", "--scores", "data/scores.csv", "--out", "data/beyond")
    return built


def table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_csv(project.folder / f"data/beyond/{name}.csv")


def test_what_is_not_asked_for_is_a_header_alone(built):
    for name in (*FINDINGS, "curves", "equal_mr", "references"):
        assert len((built.folder / f"reports/{name}.csv").read_text().splitlines()) == 1, name
    assert not list((built.folder / "data/evaluated").glob("*/*.csv"))
    for path in [*(built.folder / "data/evaluated").glob("*/*.npy"), built.folder / "data/adversarial/A/ddn.npy"]:
        assert path.stat().st_size < 100
    assert "`make evaluation`" in (built.folder / "reports/protection.md").read_text("utf-8")


@pytest.mark.parametrize("name", CONTRACT)
def test_tables_keep_their_columns(built, name):
    with open(built.folder / f"reports/{name}.csv", newline="") as file:
        header = next(csv.reader(file))
    expected = CONTRACT[name].split(",")
    assert header[: len(expected)] == expected


def test_a_published_picture_is_judged_as_its_scores_say(evaluated):
    scores = pd.read_csv(evaluated.folder / "data/scores.csv", dtype={"person": str, "predicted": str})
    scores = scores[(scores["pixels"] == "8bit") & (scores["method"] == "P-FGVM")]
    missed = (scores["predicted"] != scores["person"]).groupby(scores["model"]).mean()
    survival = table(evaluated, "survival")
    published = survival[(survival["transform"] == "PNG") & (survival["method"] == "P-FGVM")].set_index("model")
    for model in "AB":
        assert published.loc[model, "mr"] == pytest.approx(missed[model])
        of_model = scores[scores["model"] == model]
        assert published.loc[model, "mssim"] == pytest.approx(of_model["mssim"].mean(), abs=1e-6)


def test_every_set_is_seen_in_every_view(evaluated):
    survival = table(evaluated, "survival")
    for _, rows in survival.groupby(["model", "method"]):
        assert tuple(rows["transform"]) == SURVIVAL
    assert set(zip(survival["model"], survival["method"], strict=True)) == {
        (model, method) for model in "AB" for method in ("P-FGVM", "Clean", "k-Same")
    }  # fmt: skip


def test_the_clean_row_is_its_own_measure(evaluated):
    recognition = table(evaluated, "recognition")
    clean = recognition[(recognition["method"] == "Clean") & recognition["threshold"].notna()]
    assert len(clean)
    assert clean["tmr_clean"].to_numpy() == pytest.approx(clean["tmr_protected"].to_numpy())
    assert (clean["drop_over_random"] == 0).all()
    assert clean["rank1_clean"].to_numpy() == pytest.approx(clean["rank1_protected"].to_numpy())
    quality = table(evaluated, "quality").set_index(["model", "method"])
    assert quality.loc[("A", "Clean"), "mssim"] == 1 and quality.loc[("A", "Clean"), "flip"] == 0


def test_model_bs_descriptor_is_seen_by_what_attacks_it(evaluated):
    recognition = table(evaluated, "recognition")
    seen = recognition[recognition["seen"]]
    assert set(zip(seen["model"], seen["method"], seen["recogniser"], strict=True)) == {("B", "P-FGVM", "dlib")}


def test_thresholds_come_from_others_than_those_recognised(evaluated):
    subset = pd.read_csv(evaluated.folder / "data/subset.csv", dtype=str)
    others = pd.read_csv(evaluated.folder / "data/beyond/calibration.csv", dtype=str)
    assert others["person"].nunique() == 9 and not set(others["person"]) & set(subset["person"])
    # 9 persons x 12: 5,184 pairs of two, enough for 1 % and too few for 0.1 %.
    thresholds = table(evaluated, "thresholds")
    assert set(thresholds["pairs"]) == {9 * 8 // 2 * 12 * 12}
    few = thresholds["fmr"] == 0.001
    assert thresholds[few]["threshold"].isna().all() and thresholds[few]["note"].str.contains("30,000").all()
    assert thresholds[~few]["threshold"].notna().all()


def test_every_pair_is_published(evaluated):
    pairs = table(evaluated, "pairs")
    # 3 persons x 2 attacked, each with the 6 other images of the person.
    assert len(pairs) == 3 * 2 * 6
    assert (pairs["image"] != pairs["other"]).all() and not pairs.duplicated().any()


def test_each_attacker_has_tried(evaluated):
    adaptive = table(evaluated, "adaptive")
    own = adaptive[(adaptive["model"] == "A") & (adaptive["method"] == "P-FGVM")]
    assert set(own["attacker"]) == {"retrained", "growing gallery", "median 3x3", "JPEG 50", "detector"}
    detector = own[own["attacker"] == "detector"].iloc[0]
    assert 0 <= detector["auc_low"] <= detector["auc"] <= detector["auc_high"] <= 1
    purified = own[own["attacker"] == "JPEG 50"].iloc[0]
    survival = table(evaluated, "survival").set_index(["model", "method", "transform"])
    assert purified["accuracy_protected"] == pytest.approx(1 - survival.loc[("A", "P-FGVM", "JPEG 50"), "mr"])


def test_curves_hold_the_settings_own_value_and_the_further_ones(evaluated):
    curves = table(evaluated, "curves")
    p_fgvm = curves[(curves["method"] == "P-FGVM") & (curves["model"] == "A")]
    assert list(p_fgvm["value"]) == [0.05, 0.22, 2.0] and set(p_fgvm["parameter"]) == {"lambda"}
    assert (curves["images"] == 3).all()
    # The pull back to the original keeps the change small.
    assert list(p_fgvm["l2"]) == sorted(p_fgvm["l2"], reverse=True)
    equal = table(evaluated, "equal_mr")
    assert {("P-FGVM", "I-FGVM"), ("I-FGVM", "P-FGVM")} <= set(zip(equal["method"], equal["other"], strict=True))


def test_shards_make_the_same_file(evaluated):
    values = options("A", "p_fgvm", "A")
    whole = (evaluated.folder / values["--out"]).read_bytes()
    values["--out"] = "data/beyond/sharded.npy"
    for shard in ("1-of-2", "2-of-2", "1-of-1"):
        evaluated.stage("evaluate", *flat(values), "--shard", shard)
    assert (evaluated.folder / values["--out"]).read_bytes() == whole


def test_the_program_of_what_is_not_asked_for_does_not_run(built: Project, tmp_path: Path):
    out = tmp_path / "out.npy"
    words = ["survival", "A/x", "--", "evaluate", "--model", "no/such/{stem}", "--adversarial", "{}.npy"]
    words += ["--faces", "data/faces.zip", "--out", str(out)]
    built.set(**{"evaluation.parts": ["curves"]})
    built.stage("each", *words)
    assert out.stat().st_size < 100
    built.set(**{"evaluation.parts": ["survival"]})
    assert "A/x.npy" in built.stage("each", *words, succeeds=False)
    built.restore()


def test_a_sets_rows_hold_what_they_say(evaluated):
    rows = np.load(evaluated.folder / "data/beyond/evaluated/B/p_fgvm.npy")
    assert set(rows["seen_by"]) == {"dlib"} and set(rows["method"]) == {"P-FGVM"}
    assert rows["embedding_dlib"].shape[1:] == (128,) and rows["embedding_sface"].shape[1:] == (128,)
    published = rows[rows["view"] == "PNG"]
    assert (published["predicted_A"] != "").all() and (rows["predicted_B"] != "").all()
    assert np.isfinite(published["psnr"]).all() and (published["features"] != 0).any(axis=1).all()

"""The evaluation's pipeline, built on the paper's: its tables, what reruns, and its shards."""

import csv

import numpy as np
import pandas as pd
import pytest
from dvc.repo import Repo

from pfgvm.evaluation.transforms import POST_PROCESSING
from tests.project import Project, stages_run

# Its fixture runs the whole evaluation, which takes minutes: once, on one of the workers.
pytestmark = [pytest.mark.long, pytest.mark.xdist_group("evaluated")]

EVALUATION = "stages/evaluation/dvc.yaml"
# Other programs read these columns by position.
CONTRACT = {
    "recognition": "model,method,recogniser,seen,fmr,threshold,tmr_clean,tmr_protected,low,high,tmr_both,"
    "drop_over_random,drop_low,drop_high,rank1_clean,rank1_protected,found",
    "robustness": "model,method,transform,images,mr,low,high,target_rate,mssim",
    "adaptive": "model,method,attacker,share,accuracy_protected,low,high,accuracy_clean",
    "curves": "model,method,parameter,value,images,l2,mssim,mssim_legacy,mr,target_rate",
    "minimum_norm": "model,method,images,reached,l2,l2_best,excess,low,high",
}


def table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_csv(project.folder / f"reports/evaluation/{name}.csv")


@pytest.mark.parametrize("name", CONTRACT)
def test_tables_keep_their_columns(evaluated, name):
    with open(evaluated.folder / f"reports/evaluation/{name}.csv", newline="") as file:
        header = next(csv.reader(file))
    expected = CONTRACT[name].split(",")
    assert header[: len(expected)] == expected


def test_a_second_run_does_nothing(evaluated):
    assert stages_run(evaluated.dvc("repro", EVALUATION)) == set()
    assert evaluated.dvc("status").strip() == "Data and pipelines are up to date."


def test_the_whole_evaluation_is_one_command_and_the_paper_runs_none_of_it(evaluated):
    planned = stages_run(evaluated.dvc("repro", "--dry", "--force", EVALUATION))
    with Repo(evaluated.folder) as repo:
        addresses = {(stage.relpath, stage.name) for stage in repo.index.stages}
    evaluation_stages = {f"{EVALUATION}:{name}" for file, name in addresses if file.endswith(EVALUATION)}
    assert evaluation_stages and {name for name in planned if ":" in name} == evaluation_stages
    assert not {name for name in stages_run(evaluated.dvc("repro", "--dry", "--force")) if ":" in name}


def test_one_table_runs_only_what_it_needs(evaluated):
    for program in ("robustness", "adaptive", "curve"):
        name = f"stages/evaluation/{program}.py"
        (evaluated.folder / name).write_text((evaluated.folder / name).read_text("utf-8") + "\n", "utf-8")
    assert stages_run(evaluated.dvc("repro", f"{EVALUATION}:robustness")) == {f"{EVALUATION}:robustness"}
    evaluated.restore()


def test_8_bit_images_are_evaluated_as_in_their_scores(evaluated):
    scores = pd.read_csv(evaluated.folder / "data/scores.csv", dtype={"person": str, "predicted": str})
    scores = scores[(scores["pixels"] == "8bit") & (scores["method"] == "P-FGVM")]
    misclassified = (scores["predicted"] != scores["person"]).groupby(scores["model"]).mean()
    robustness = table(evaluated, "robustness")
    png = robustness[(robustness["transform"] == "PNG") & (robustness["method"] == "P-FGVM")].set_index("model")
    for model in "AB":
        assert png.loc[model, "mr"] == pytest.approx(misclassified[model])
        of_model = scores[scores["model"] == model]
        assert png.loc[model, "mssim"] == pytest.approx(of_model["mssim"].mean(), abs=1e-6)


def test_every_set_is_evaluated_after_every_transform(evaluated):
    robustness = table(evaluated, "robustness")
    for _, rows in robustness.groupby(["model", "method"]):
        assert tuple(rows["transform"]) == POST_PROCESSING
    for model in "AB":
        assert robustness[robustness["model"] == model]["method"].nunique() == 17


def test_clean_images_lose_nothing(evaluated):
    recognition = table(evaluated, "recognition")
    clean = recognition[(recognition["method"] == "Clean") & recognition["threshold"].notna()]
    assert len(clean)
    assert clean["tmr_clean"].to_numpy() == pytest.approx(clean["tmr_protected"].to_numpy())
    assert (clean["drop_over_random"] == 0).all()
    assert clean["rank1_clean"].to_numpy() == pytest.approx(clean["rank1_protected"].to_numpy())
    quality = table(evaluated, "quality").set_index(["model", "method"])
    assert quality.loc[("A", "Clean"), "mssim"] == 1 and quality.loc[("A", "Clean"), "flip"] == 0


def test_a_recogniser_is_white_box_to_what_attacks_its_descriptor(evaluated):
    recognition = table(evaluated, "recognition")
    white_box = recognition[recognition["seen"]]
    assert set(white_box["recogniser"]) == {"dlib"}
    on_descriptors = {"P-FGVM (features)", "P-FGVM (shape)", "P-FGVM (shape, strong)"}
    assert set(white_box.loc[white_box["model"] == "A", "method"]) == on_descriptors
    attacks = {"P-FGVM", "I-FGVM", "I-FGSM", "P-FGVM (noise)", "DDN", "FMN", "C&W-L2"}
    assert set(white_box.loc[white_box["model"] == "B", "method"]) == attacks | on_descriptors


def test_thresholds_come_from_other_identities(evaluated):
    subset = pd.read_csv(evaluated.folder / "data/subset.csv", dtype=str)
    others = pd.read_csv(evaluated.folder / "data/evaluation/calibration.csv", dtype=str)
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


def test_all_adaptive_attackers_are_measured(evaluated):
    adaptive = table(evaluated, "adaptive")
    rows = adaptive[(adaptive["model"] == "A") & (adaptive["method"] == "P-FGVM")]
    assert set(rows["attacker"]) == {"retrained", "growing gallery", "median 3x3", "JPEG 50", "detector"}
    detector = rows[rows["attacker"] == "detector"].iloc[0]
    assert 0 <= detector["auc_low"] <= detector["auc"] <= detector["auc_high"] <= 1
    purified = rows[rows["attacker"] == "JPEG 50"].iloc[0]
    robustness = table(evaluated, "robustness").set_index(["model", "method", "transform"])
    assert purified["accuracy_protected"] == pytest.approx(1 - robustness.loc[("A", "P-FGVM", "JPEG 50"), "mr"])


def test_curves_contain_the_settings_value_and_the_further_ones(evaluated):
    curves = table(evaluated, "curves")
    p_fgvm = curves[(curves["method"] == "P-FGVM") & (curves["model"] == "A")]
    assert list(p_fgvm["value"]) == [0.05, 0.22, 2.0] and set(p_fgvm["parameter"]) == {"lambda"}
    assert list(p_fgvm["of_settings"]) == [False, True, False]
    assert (curves["images"] == 3).all()
    # A larger λ keeps the perturbation smaller.
    assert list(p_fgvm["l2"]) == sorted(p_fgvm["l2"], reverse=True)
    equal = table(evaluated, "equal_mr")
    assert {("P-FGVM", "I-FGVM"), ("I-FGVM", "P-FGVM")} <= set(zip(equal["method"], equal["other"], strict=True))


def test_the_page_contains_the_verdict_and_the_plots(evaluated):
    folder = evaluated.folder / "reports/evaluation"
    page = (folder / "index.html").read_text("utf-8")
    assert page.count("<svg") >= len(list(folder.glob("*.svg"))) == 5
    assert (folder / "evaluation.md").read_text("utf-8").startswith("P-FGVM ")
    assert list((folder / "faces").rglob("*.png"))


def test_shards_make_the_same_file(evaluated):
    whole = (evaluated.folder / "data/evaluation/evaluated/A/p_fgvm.npy").read_bytes()
    files = ("--models", "data/models", "--faces", "data/faces.zip", "--adversarial", "data/adversarial/A/p_fgvm.npy")
    for shard in ("1-of-2", "2-of-2", "1-of-1"):
        evaluated.stage("evaluation.evaluate", *files, "--out", "data/sharded.npy", "--shard", shard)
    out = evaluated.folder / "data/sharded.npy"
    assert out.read_bytes() == whole
    out.unlink()


def test_the_rows_of_a_set_have_all_results(evaluated):
    rows = np.load(evaluated.folder / "data/evaluation/evaluated/B/p_fgvm.npy")
    assert set(rows["seen_by"]) == {"dlib"} and set(rows["method"]) == {"p_fgvm"}
    assert rows["embedding_dlib"].shape[1:] == (128,) and rows["embedding_sface"].shape[1:] == (128,)
    png = rows[rows["view"] == "PNG"]
    assert (png["predicted_A"] != "").all() and (rows["predicted_B"] != "").all()
    assert np.isfinite(png["psnr"]).all() and (png["features"] != 0).any(axis=1).all()

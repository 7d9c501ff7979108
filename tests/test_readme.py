"""What the README claims is what the committed run says."""

import json

import pandas as pd
import pytest

from tests.committed import committed, committed_table
from tests.project import ROOT
from tests.published import PAPER
from tools.protect import STRENGTHS

README = committed("README.md")


def cells_of(text: str) -> list[list[str]]:
    """The cells of the Markdown tables in `text`, row by row, heads included."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith(("| -", "|-"))]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def rows_kept_equal(page: str, name: str) -> list[list[str]]:
    """The cells of the table that the page `page` keeps equal to `name`, without its head."""
    block = committed(page).split(f"<!-- kept equal to {name} by")[1].split("<!-- end")[0]
    return cells_of(block)[1:]


def most_left_of_features() -> pd.Series:
    """The row of the transform after which SFace makes most true matches on photographs of P-FGVM on features."""
    rows = committed_table("reports/celeba/survival.csv").query("model == 'B' and method == 'P-FGVM (features)'")
    assert rows["sface_tmr"].idxmax() == rows["faceres_tmr"].idxmax()
    return rows.loc[rows["sface_tmr"].idxmax()]


@pytest.mark.parametrize("folder", ["reports", "reports/celeba"])
def test_the_readme_shows_the_committed_table_3(folder):
    shown = README.split(f"<!-- kept equal to {folder}/table3.md by")[1].split("-->", 1)[1].split("<!-- end")[0].strip()
    assert shown == committed(f"{folder}/table3.md").split("Table 3 in full")[0].strip()


def test_the_readme_shows_table_3_over_seeds():
    block = README.split("<!-- kept equal to reports/celeba/seeds.md by")[1].split("-->", 1)[1].split("<!-- end")[0]
    assert block.strip() == committed("reports/celeba/seeds.md").split("Table 4 over seeds")[0].strip()


def test_the_readme_says_what_five_seeds_of_the_bundled_faces_show():
    block = committed("reports/seeds.md").split("Table 4 over seeds")[0]
    shown = cells_of(block)
    gains = []
    for baseline in ("I-FGVM", "I-FGSM"):
        [at] = [place for place, row in enumerate(shown) if row[0] == f"Improvement over {baseline}"]
        gains.append([f"{shown[at][column]} ({shown[at + 1][column]})" for column in (2, 5)])
    (a_gradient, b_gradient), (a_sign, b_sign) = gains
    said = " ".join(README.split())
    assert f"L2 on Model A is {a_gradient} below I-FGVM's and {a_sign} below I-FGSM's" in said
    assert f"on Model B {b_gradient} and {b_sign};" in said
    seeds = committed_table("reports/seeds.csv").query("seed in ['0', '1', '2', '3', '4']")
    least = seeds[seeds["method"].isin(PAPER["table3"]["A"])]["mr"].min()
    assert f"at each seed the methods misclassify {100 * least:.1f} % of the images or more" in said


def test_the_readme_says_how_far_a_seed_moves_a_reading():
    paper = PAPER["table3"]["A"]
    found = committed_table("reports/celeba/seeds.csv").query("model == 'A'").set_index(["seed", "method"])
    distances = []
    for seed in "012":
        # Half the paper's size: an equal change of each pixel has half the L2, but for the odd pixels.
        growth = (218 * 178 / (109 * 89)) ** 0.5
        parts = [
            abs(found.loc[(seed, method), ours] * factor - cell[theirs]) / near
            for method, cell in paper.items()
            for ours, theirs, factor, near in (
                ("l2", "l2", growth, 0.5), ("mssim_legacy", "si", 1, 0.005), ("mr", "mr", 1, 0.015),
            )
        ]  # fmt: skip
        distances.append(f"{sum(parts) / len(parts):.2f}")
    assert "best epoch lie at {}, {} and {} at three seeds".format(*distances) in " ".join(README.split())


def test_the_readme_shows_what_recognisers_find_on_photographs():
    found = committed_table("reports/celeba/recognition.csv").query("fmr == 0.01")
    of = {(row["model"], row["method"], row["recogniser"]): row for row in found.to_dict("records")}
    block = README.split("<!-- kept equal to reports/celeba/recognition.csv by")[1].split("<!-- end")[0]
    head, *shown = cells_of(block)
    assert head[1:] == ["SFace", "faceres", "dlib"] and len(shown) == 9
    for name, *cells in shown:
        method, _, model = name.partition(", Model ")
        # What was made on no model is the same for both.
        for recogniser, cell in zip(("sface", "faceres", "dlib"), cells, strict=True):
            row = of[model or "A", method, recogniser]
            rate, low, high = (f"{100 * row[column]:.1f}" for column in ("tmr_protected", "low", "high"))
            assert cell == f"{rate} ({low}–{high})" + ", seen" * row["seen"]


def test_the_page_of_the_method_on_features_shows_its_ablation():
    found = committed_table("reports/celeba/ablation.csv")
    shown = rows_kept_equal("docs/method.md", "reports/celeba/ablation.csv")
    expected = []
    for variant, rows in found.groupby("variant", sort=False):
        cells = [variant]
        for row in (rows.set_index("recogniser").loc[name] for name in ("sface", "faceres")):
            cells.append(f"{100 * row['tmr']:.1f} ({100 * row['low']:.1f}–{100 * row['high']:.1f})")
            ends = (f"{100 * row[f'difference{end}']:+.1f}".replace("-", "−") for end in ("", "_low", "_high"))
            cells.append("–" if variant == "as set" else "{} ({} to {})".format(*ends))
        expected.append([*cells, f"{rows['mssim_face'].iloc[0]:.3f}"])
    assert shown == expected and len(expected) == 12


def test_the_page_of_the_method_on_features_shows_what_is_reached():
    shown = rows_kept_equal("docs/method.md", "reports/celeba")
    of_features = {"model": "B", "method": "P-FGVM (features)"}
    sface, faceres = (
        evaluated("recognition", fmr=0.01, recogniser=name, **of_features) for name in ("sface", "faceres")
    )
    worst = most_left_of_features()
    quality = evaluated("quality", **of_features)

    def both(one: float, other: float) -> str:
        return f"{100 * one:.1f} / {100 * other:.1f} %"

    expected = [
        both(sface["tmr_protected"], faceres["tmr_protected"]),
        both(worst["sface_tmr"], worst["faceres_tmr"]),
        both(sface["tmr_both"], faceres["tmr_both"]),
        both(sface["rank1_protected"], faceres["rank1_protected"]),
        f"{quality['mssim_face']:.3f}",
        f"{quality['flip_face']:.3f}",
        f"{evaluated('table3_evaluated', pixels='8bit', **of_features)['mssim_legacy']:.3f}",
        f"{100 * sface['found']:.1f} %",
    ]
    assert [cells[-1] for cells in shown] == expected
    assert shown[1][0].endswith(f"({worst['transform']})")


def test_the_page_of_protect_says_what_each_strength_costs_and_buys():
    found = committed_table("reports/celeba/visibility.csv").query("method == 'P-FGVM (features)'")
    expected = []
    for name, strength in STRENGTHS.items():
        rows = found[found["strength"] == strength].set_index("recogniser")
        seen = [f"{rows[measure].iloc[0]:.3f}" for measure in ("mssim_face", "flip_face")]
        found_by = [
            f"{100 * row['tmr']:.1f} ({100 * row['low']:.1f}–{100 * row['high']:.1f})"
            for row in (rows.loc[recogniser] for recogniser in ("sface", "faceres"))
        ]
        expected.append([name, *seen, *found_by])
    assert rows_kept_equal("docs/protect.md", "reports/celeba/visibility.csv") == expected


def evaluated(name: str, folder: str = "celeba", **where: object) -> dict:
    """The one row of the table `name` in reports/`folder` whose columns hold what `where` says."""
    rows = committed_table(f"reports/{folder}/{name}.csv")
    for column, value in where.items():
        rows = rows[rows[column] == value]
    [row] = rows.to_dict("records")
    return row


def test_the_readme_says_what_the_evaluation_of_photographs_found():
    features = {"model": "B", "method": "P-FGVM (features)", "recogniser": "sface"}
    found = evaluated("recognition", fmr=0.01, **features)
    retrained = evaluated("adaptive", attacker="retrained", share=1.0, **features)
    worst = most_left_of_features()
    said = " ".join(README.split())
    for words in (
        f"first among all enrolled on {100 * found['rank1_protected']:.1f} % of the pictures",
        f"after the transform that undoes most ({worst['transform']}), it makes {100 * worst['sface_tmr']:.1f} % of",
        f"retrained on such pictures with their true names, it names {100 * retrained['accuracy_protected']:.1f} % "
        f"({100 * retrained['low']:.1f} to {100 * retrained['high']:.1f})",
    ):
        assert words in said
    fragile = [
        committed_table("reports/celeba/survival.csv").query(f"model == '{name}' and method == 'P-FGVM'")
        for name in "AB"
    ]
    least = [rows.loc[rows["mr"].idxmin()] for rows in fragile]
    a, b = (f"{100 * row['mr']:.1f} % of its pictures ({row['transform']})" for row in least)
    assert f"Model A errs on {a}, Model B on {b}" in said
    ratios = [
        f"{row['l2'] / row['l2_best']:.2f} times ({name})"
        for model, name in (("A", "Model A"), ("B", "B"))
        for row in [evaluated("references", model=model, method="P-FGVM")]
    ]
    assert f"its L2 is {' and '.join(ratios)}" in said


def test_readme_and_method_say_what_the_evaluation_of_the_bundled_faces_found():
    features = {"model": "B", "method": "P-FGVM (features)", "recogniser": "sface"}
    found = evaluated("recognition", "evaluation", fmr=0.01, **features)
    assert (
        f"left SFace {100 * found['tmr_protected']:.1f} %, of {100 * found['tmr_clean']:.1f} % on clean ones, but the "
        f"person came first among all enrolled on {100 * found['rank1_protected']:.1f} %"
    ) in " ".join(README.split())
    growing = evaluated("adaptive", "evaluation", attacker="growing gallery", **features)
    assert (
        f"SFace made {100 * found['tmr_protected']:.1f} % of the true matches, but named the person first among all "
        f"enrolled on {100 * found['rank1_protected']:.1f} % of the pictures, and a gallery that grows by what it "
        f"recognises named {100 * growing['accuracy_protected']:.1f} % rightly"
    ) in " ".join(committed("docs/method.md").split())


def test_the_readme_gives_the_measured_seconds_of_the_bundled_run():
    fast, slow = (
        json.loads(committed(f"benchmarks/results/amd-epyc-{name}2-cores.json"))["results"][
            "dvc repro, bundled faces, cpu"
        ]
        for name in ("family-25-model-17-", "")
    )
    of = {name.removesuffix(", s"): seconds for name, seconds in fast["checks"].items()}
    attacks = sum(seconds for name, seconds in of.items() if name.startswith("attack@"))
    unasked = (
        "references", "clean", "old_ways", "external", "calibration", "gallery", "evaluate", "curve", "visibility",
        "findings",
    )  # fmt: skip
    idle = [seconds for name, seconds in of.items() if name.startswith(unasked)]
    said = " ".join(README.split())
    for words in (
        f"({fast['ours'][0]:.0f} s): {of['train@A']:.0f} s to train Model A, {of['train@B']:.0f} s Model B, "
        f"{attacks:.0f} s the attacks of the paper, {of['features']:.0f} s P-FGVM on features, {sum(idle):.0f} s the "
        f"{len(idle)} stages",
        f"({slow['ours'][0]:,.0f} s), {slow['checks']['train@A, s']:.0f} s of them for Model A",
    ):
        assert words in said
    assert max(run["checks"]["peak memory of a stage, MB"] for run in (fast, slow)) < 1600


def test_the_committed_reports_are_of_synthetic_faces():
    table4 = committed("reports/table4.csv").splitlines()
    assert all(",synthetic," in row for row in table4[1:])


def test_of_real_faces_numbers_alone_are_committed():
    assert {path.suffix for path in (ROOT / "reports/celeba").iterdir()} == {".csv", ".md"}


def test_every_make_target_in_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = {line.split()[1] for line in README.splitlines() if line.startswith("    make ")}
    assert named
    assert all(f"\n{target}:" in makefile for target in named)

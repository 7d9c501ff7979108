"""The documents' tables of protection: recognition, the modes of `make protect`, the ablation, goals and results."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.methods import FEATURES, PROPOSED, SHAPE, label_of
from pfgvm.report.evaluation.document import evaluation_document
from pfgvm.report.evaluation.summary import claims, summary_table
from pfgvm.report.numbers import number, per_cent, with_interval
from pfgvm.report.render import markdown
from stages.common.data_frames import read_numbers
from tools.documents.kept import BLACK_BOX, CELEBA, at_one_per_cent, of_method, plain_table
from tools.protect import MODES

# Labels of the methods of `make protect`, by mode.
METHODS = {mode: label_of(key) for mode, key in MODES.items()}
# Identities are not named where the faces are real.
TABLES = ("recognition", "transfer", "robustness", "adaptive", "minimum_norm", "equal_mr", "quality")
# Columns of quality.csv in the table of modes, and their decimals.
VISIBLE = {"displacement": 2, "flip_close": 3, "flip_close_displaced": 3}


def protection(folder: Path) -> str:
    """Whether P-FGVM protects: the claims and the table behind them."""
    recognition = read_numbers(folder / "recognition.csv")
    sentences = claims({"recognition": recognition})
    return "\n".join([*(f"{sentence}\n" for sentence in sentences), markdown(summary_table(recognition))])


def protection_in_short(folder: Path) -> str:
    """TMR and rank-1 rate of P-FGVM and its extensions, by recognisers that none of them attacks."""
    methods = (PROPOSED, FEATURES, *SHAPE)
    recognition = read_numbers(folder / "recognition.csv")
    chosen = recognition[
        recognition["method"].isin(methods)
        & recognition["recogniser"].isin(BLACK_BOX)
        & (recognition["fmr"] == recognition["fmr"].max())
    ]
    # The extensions attack no classifier: their rows of both models are equal.
    chosen = chosen[(chosen["method"] == PROPOSED) | ~chosen.duplicated(["method", "recogniser"])]
    chosen = pd.concat(chosen[chosen["method"] == method] for method in methods)
    rows = [
        [
            row.method + (f", Model {row.model}" if row.method == PROPOSED else ""),
            recogniser_label(row.recogniser),
            per_cent(row.tmr_clean),
            with_interval(row.tmr_protected, row.low, row.high),
            per_cent(row.rank1_clean),
            per_cent(row.rank1_protected),
        ]
        for row in chosen.itertuples()
    ]
    heads = ["Method", "Recogniser", "TMR clean (%)", "TMR protected (%, 95 % CI)", "Rank-1 clean (%)"]
    sentences = "\n".join(f"{sentence}\n" for sentence in claims({"recognition": recognition}))
    return f"{plain_table([*heads, 'Rank-1 protected (%)'], rows)}\n\n{sentences}"


def evaluation(folder: Path) -> str:
    """The whole evaluation but for its tables by identity."""
    tables = {name: read_numbers(folder / f"{name}.csv") for name in TABLES}
    return evaluation_document(tables | {"recognised_persons": pd.DataFrame()})


def modes() -> str:
    """What each mode of `make protect` changes, and what black-box recognisers still match."""
    clean = at_one_per_cent(FEATURES)["tmr_clean"]
    rows = [["(clean)", *(["0"] * len(VISIBLE)), *(per_cent(clean[by]) for by in BLACK_BOX)]]
    for mode, method in METHODS.items():
        quality, recognition = of_method("quality", method).iloc[0], at_one_per_cent(method)
        visible = [number(quality[name], digits) for name, digits in VISIBLE.items()]
        matched = [with_interval(*recognition.loc[by, ["tmr_protected", "low", "high"]]) for by in BLACK_BOX]
        rows.append([mode, *visible, *matched])
    heads = ["Displacement (pixels)", "FLIP, close", "FLIP, close, without displacement"]
    return plain_table(["Mode", *heads, "TMR, SFace (%)", "TMR, faceres (%)"], rows)


def ablation() -> str:
    """What each part of P-FGVM (features) is worth."""
    rows = []
    for variant, own in pd.read_csv(CELEBA / "ablation.csv").groupby("variant", sort=False):
        cells = [str(variant)]
        by_recogniser = own.set_index("recogniser")
        for name in BLACK_BOX:
            if name not in by_recogniser.index:
                cells += ["white-box", ""]
                continue
            row = by_recogniser.loc[name]
            difference = with_interval(*(row[f"difference{end}"] for end in ("", "_low", "_high")))
            cells += [with_interval(row["tmr"], row["low"], row["high"]), "" if len(rows) == 0 else difference]
        rows.append([*cells, number(own["mssim_face"].iloc[0], 3)])
    heads = ["TMR, SFace (%)", "Difference", "TMR, faceres (%)", "Difference", "MSSIM, face"]
    return plain_table(["Variant", *heads], rows)


def recognition_rate(value: str, low: str, high: str) -> Callable[[str], str]:
    """Cell of a rate of recognition.csv for a method: both black-box recognisers with their intervals."""
    return lambda method: " / ".join(
        with_interval(*at_one_per_cent(method).loc[by, [value, low, high]]) for by in BLACK_BOX
    )


def weakest_transform(method: str) -> str:
    """The highest TMR of each black-box recogniser over all transforms, and the transform."""
    table = of_method("robustness", method)
    worst = [(by, table.loc[table[f"{by}_tmr"].idxmax()]) for by in BLACK_BOX]
    return " / ".join(f"{per_cent(row[f'{by}_tmr'])} ({row['transform']})" for by, row in worst)


def accuracy(attacker: str, share: float | None = None) -> Callable[[str], str]:
    """Cell of the accuracy of an adaptive attacker for a method: both black-box recognisers with their intervals."""

    def of(method: str) -> str:
        table = of_method("adaptive", method)
        table = table[table["attacker"].eq(attacker) & (table["share"].eq(share) if share else True)]
        by_recogniser = table.set_index("recogniser")
        columns = ["accuracy_protected", "low", "high"]
        applicable = [by for by in BLACK_BOX if by in by_recogniser.index]
        return " / ".join(with_interval(*by_recogniser.loc[by, columns]) for by in applicable) or "–"

    return of


def detector_auc(method: str) -> str:
    """AUC of the detector of protected images, with its interval."""
    [row] = of_method("adaptive", method).query("attacker == 'detector'").to_dict("records")
    return with_interval(row["auc"], row["auc_low"], row["auc_high"], partial(number, digits=2))


def visible(*names: str, digits: int = 3) -> Callable[[str], str]:
    """Cell of the means of columns of quality.csv for a method, with their intervals."""

    def of(method: str) -> str:
        row = of_method("quality", method).iloc[0]
        shown = partial(number, digits=digits)
        return " / ".join(
            with_interval(*(row[f"{name}{end}"] for end in ("", "_low", "_high")), shown) for name in names
        )

    return of


def found(method: str) -> str:
    """Shares of images with a detected face, and with the clean image's landmarks."""
    row = at_one_per_cent(method).iloc[0]
    return f"{per_cent(row['found'])} / {per_cent(row['aligned'])}"


# Each with the highest value that was aimed at: natural, strong, pixels; "" without a goal.
GOALS: Sequence[tuple[str, Callable[[str], str], tuple[str, str, str]]] = (
    ("TMR, protected with clean images (%)", recognition_rate("tmr_protected", "low", "high"), ("5", "2", "8")),
    ("TMR after the weakest transform (%)", weakest_transform, ("8", "3", "15")),
    ("Rank-1 identification rate (%)", recognition_rate("rank1_protected", "rank1_low", "rank1_high"), ("15", "5", "")),
    (
        "TMR, protected with protected images (%)",
        recognition_rate("tmr_both", "both_low", "both_high"),
        ("50", "40", ""),
    ),
    ("Accuracy, retrained on protected images (%)", accuracy("retrained", 1.0), ("50", "35", "")),
    ("Accuracy, growing gallery (%)", accuracy("growing gallery"), ("", "", "")),
    ("Accuracy, mean displacement removed (%)", accuracy("unwarped"), ("", "", "")),
    ("AUC of a detector", detector_auc, ("", "", "")),
    ("FLIP without displacement, mean", visible("flip_displaced"), ("0.03", "", "0.055")),
    ("FLIP without displacement, 95th percentile", visible("flip_displaced_p95"), ("0.10", "", "")),
    ("FLIP, close: mean", visible("flip_close"), ("", "", "")),
    ("FLIP, close: 95th percentile", visible("flip_close_p95"), ("", "", "")),
    ("Displacement on the face, mean (pixels)", visible("displacement", digits=2), ("0.8", "2", "")),
    ("Displacement on the face, maximum (pixels)", visible("displacement_max", digits=1), ("4", "9", "")),
    ("MSSIM (Wang), face (goal of pixels: ≥ 0.965)", visible("mssim_face"), ("", "", "")),
    ("Face detected / with its landmarks (%; goals ≥ 99, ≥ 97)", found, ("", "", "")),
)


def goals() -> str:
    """What the methods against black-box recognisers were to reach, and what they reach."""
    rows = []
    for label, measured, targets in GOALS:
        cells = [
            f"{measured(method)} (≤ {target})" if target else measured(method)
            for method, target in zip(METHODS.values(), targets, strict=True)
        ]
        rows.append([label, *cells])
    return plain_table(["Measure (SFace / faceres; in brackets the goal)", *METHODS.values()], rows)

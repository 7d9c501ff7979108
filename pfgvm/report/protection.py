"""The tables of the evaluation, as they are read."""

from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.words import recogniser_label

# What the parts of the evaluation ask, by the table that answers.
QUESTIONS: Mapping[str, str] = {
    "recognition": "Do face recognisers still find the person, and more than after random noise of the same size?",
    "survival": "What is left after a JPEG, a resize, a crop?",
    "adaptive": "What do those recognise who know of the protection?",
    "quality": "How good do the pictures still look?",
    "curves": "What does each method cost where it reaches another's misclassification rate?",
    "visibility": "What do recognisers find where methods are seen equally much?",
    "references": "How far is each method's L2 from the smallest known?",
}


def unanswered(found: Mapping[str, pd.DataFrame]) -> list[str]:
    """The questions whose tables are empty; found: the evaluation's tables by name."""
    return [question for name, question in QUESTIONS.items() if found[name].empty]


def protection_tables(found: Mapping[str, pd.DataFrame]) -> list[FormattedTable]:
    """A table for each of `found` that has rows; found: the evaluation's tables by name, numbers as numbers."""
    makers: dict[str, Callable[[pd.DataFrame], FormattedTable]] = {
        "recognition": recognition_table,
        "transfer": transfer_table,
        "survival": survival_table,
        "adaptive": adaptive_table,
        "references": references_table,
        "equal_mr": equal_mr_table,
        "quality": quality_table,
        "persons": persons_table,
        "recognised_persons": recognised_persons_table,
    }
    return [make(found[name]) for name, make in makers.items() if not found[name].empty]


def recognition_table(recognition: pd.DataFrame) -> FormattedTable:
    """Recognition before and after, at the highest false-match rate; recognition: RECOGNITION_COLUMNS."""
    rows = recognition[recognition["fmr"] == recognition["fmr"].max()]
    lines = [
        [
            row["model"],
            row["method"],
            recogniser_label(row["recogniser"]) + (" (seen)" if row["seen"] else ""),
            _rate(row["tmr_clean"]),
            _rate(row["tmr_protected"]),
            _between(row["low"], row["high"]),
            _points(row["drop_over_random"]),
            _between(row["drop_low"], row["drop_high"]),
            _rate(row["tmr_both"]),
            _rate(row["rank1_clean"]),
            _rate(row["rank1_protected"]),
            _rate(row["rank5_protected"]),
            _rate(row["found"]),
        ]
        for row in rows.to_dict("records")
    ]
    notes = sorted({row["note"] for row in rows.to_dict("records") if row["note"]})
    return FormattedTable(
        "table:recognition",
        "Recognition",
        f"Do face recognisers still find the person? True matches at {100 * rows['fmr'].max():g} % false ones.",
        columns=[
            ("", "Model"),
            ("", "Method"),
            ("", "Recogniser"),
            ("True matches, %", "clean"),
            ("True matches, %", "protected"),
            ("True matches, %", "95 %"),
            ("Drop over noise, points", "mean"),
            ("Drop over noise, points", "95 %"),
            ("Both protected", "%"),
            ("Rank 1, %", "clean"),
            ("Rank 1, %", "protected"),
            ("Rank 5", "%"),
            ("Face found", "%"),
        ],
        rows=lines,
        left=3,
        notes=(
            "Drop over noise: true matches under random noise of equal L2 less those on protected pictures, paired by "
            "picture; intervals by bootstrap over persons.",
            "Unseen means that the attack did not use the recogniser. Whether photographs of these persons were among "
            "those it was trained on is not known.",
            *(f"No threshold: {note}." for note in notes),
        ),
    )


def transfer_table(transfer: pd.DataFrame) -> FormattedTable:
    """How each target model errs on the images made on the other; transfer: TRANSFER_COLUMNS."""
    lines = [
        [
            row["model"], row["method"], f"Model {row['judge']}", _rate(row["mr"]), _between(row["low"], row["high"]),
            _rate(row["target_rate"]), _rate(row["clean_error"]),
        ]
        for row in transfer.to_dict("records")
    ]  # fmt: skip
    return FormattedTable(
        "table:transfer",
        "Transfer",
        "Does an attack on one model mislead the other?",
        columns=[("", name) for name in ("Made on", "Method", "Judge", "MR, %", "95 %", "Target, %", "Clean error, %")],
        rows=lines,
        left=3,
    )


def survival_table(survival: pd.DataFrame) -> FormattedTable:
    """MR after each transform, and what recognisers find at the worst of them; survival: from findings.survival."""
    transforms = list(dict.fromkeys(survival["transform"]))
    names = [column.removesuffix("_tmr") for column in survival if column.endswith("_tmr")]
    lines = []
    for (model, method), rows in survival.groupby(["model", "method"], sort=False):
        by_transform = rows.set_index("transform")
        worst = [_worst_match(by_transform, name) for name in names]
        lines.append([model, method, *[_rate(by_transform.loc[name, "mr"]) for name in transforms], *worst])
    return FormattedTable(
        "table:survival",
        "Survival",
        "What is left after what befalls pictures on their way: MR of the model that they were made on, in %.",
        columns=[
            ("", "Model"),
            ("", "Method"),
            *[("MR after", name) for name in transforms],
            *[("Most true matches", recogniser_label(name)) for name in names],
        ],
        rows=lines,
        left=2,
        notes=("Most true matches: a recogniser's at 1 % false ones, after the transform under which it finds most.",)
        if names
        else (),
    )


def _worst_match(by_transform: pd.DataFrame, name: str) -> str:
    rates = by_transform[f"{name}_tmr"].dropna()
    return f"{_rate(rates.max())} ({rates.idxmax()})" if len(rates) else MISSING


def adaptive_table(adaptive: pd.DataFrame) -> FormattedTable:
    """Attackers who know, one row a set, one column an attacker; adaptive: ADAPTIVE_COLUMNS."""
    told = adaptive.assign(column=[_attacker(row) for row in adaptive.to_dict("records")])
    columns = _by_group(dict.fromkeys(told["column"]))
    lines = []
    for (model, method), rows in told.groupby(["model", "method"], sort=False):
        cells = {row["column"]: _reached(row) for row in rows.to_dict("records")}
        lines.append([model, method, *(cells.get(column, MISSING) for column in columns)])
    return FormattedTable(
        "table:adaptive",
        "Attackers who know",
        "How many protected pictures those name rightly who know of the protection, in %, with 95 % intervals; in the "
        "rows Clean, unprotected ones.",
        columns=[("", "Model"), ("", "Method"), *columns],
        rows=lines,
        left=2,
        notes=(
            "Retrained: a classifier on the recogniser's embeddings, trained with true names on pictures of which so "
            "many are protected. Growing gallery: one that adds what it recognises. Purified: the model that the "
            "picture was made on, after that filter. Detector: tells protected from clean pictures of persons whom it "
            "has not seen; 0.5 is guessing.",
            *(f"{MISSING}: {note}." for note in sorted(set(adaptive["note"].dropna()) - {""})),
        ),
    )


def _attacker(row: Mapping) -> tuple[str, str]:
    """The column of an attacker: its group and its name."""
    if row["attacker"] == "detector":
        return "Detector", "AUC"
    if pd.isna(row["recogniser"]) or not row["recogniser"]:
        return "Purified", row["attacker"]
    share = "" if pd.isna(row["share"]) else f" on {100 * row['share']:.0f} %"
    return f"{row['attacker'].capitalize()}{share}", recogniser_label(row["recogniser"])


def _by_group(columns: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """`columns` with those of a group together, where the first of it stood; without a group each stands alone."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for group, name in columns:
        groups.setdefault((group, "" if group else name), []).append((group, name))
    return [column for of_group in groups.values() for column in of_group]


def _reached(row: Mapping) -> str:
    of_detector = row["attacker"] == "detector"
    value, low, high = ("auc", "auc_low", "auc_high") if of_detector else ("accuracy_protected", "low", "high")
    if pd.isna(row[value]):
        return MISSING
    shown = "{:.3f}".format if of_detector else _rate
    # A single person gives no interval.
    return shown(row[value]) + ("" if pd.isna(row[low]) else f" ({shown(row[low])}–{shown(row[high])})")


def references_table(references: pd.DataFrame) -> FormattedTable:
    """How far from the smallest known L2; references: REFERENCES_COLUMNS."""
    lines = [
        [
            row["model"], row["method"], str(row["images"]), _rate(row["reached"]), f"{row['l2']:.3f}",
            f"{row['l2_best']:.3f}", f"{row['l2'] / row['l2_best']:.2f}" if row["l2_best"] else MISSING,
            f"{row['excess']:.3f}", MISSING if pd.isna(row["low"]) else f"{row['low']:.3f}–{row['high']:.3f}",
        ]
        for row in references.to_dict("records")
    ]  # fmt: skip
    names = ("Model", "Method", "Images", "Reached, %", "L2", "Best known", "Ratio", "Excess", "95 %")
    return FormattedTable(
        "table:references",
        "References",
        "How far each method's L2 is from the smallest that any of them has found for the same image and target.",
        columns=[("", name) for name in names],
        rows=lines,
        left=2,
        notes=(
            "Over the images that the method has the model take for their target; interval by bootstrap over persons.",
        ),
    )


def equal_mr_table(equal: pd.DataFrame) -> FormattedTable:
    """Methods at the MR of others; equal: EQUAL_MR_COLUMNS."""
    lines = [
        [
            row["model"], row["method"], f"{row['other']}, {_rate(row['mr'])}", _number(row["l2"], 2),
            f"{row['other_l2']:.2f}", _number(row["mssim_legacy"], 3), f"{row['other_mssim_legacy']:.3f}",
        ]
        for row in equal.to_dict("records")
    ]  # fmt: skip
    return FormattedTable(
        "table:equal-mr",
        "At equal MR",
        "What one method costs where it reaches another's misclassification rate, read off its curve over λ or ε.",
        columns=[
            ("", "Model"), ("", "Method"), ("", "At the MR of"), ("L2", "its own"), ("L2", "the other's"),
            ("SI", "its own"), ("SI", "the other's"),
        ],
        rows=lines,
        left=3,
        notes=(f"{MISSING}: the method does not reach that rate at any value tried.",),
    )  # fmt: skip


def quality_table(quality: pd.DataFrame) -> FormattedTable:
    """How good pictures still look; quality: QUALITY_COLUMNS."""
    from pfgvm.evaluation.quality import QUALITY

    metrics = {("MSSIM", "picture"): ("mssim", 3)} | {metric.label: (metric.name, metric.digits) for metric in QUALITY}
    columns = _by_group(metrics)
    lines = [
        [row["model"], row["method"], *[_with_ends(row, *metrics[column]) for column in columns]]
        for row in quality.to_dict("records")
    ]
    return FormattedTable(
        "table:quality",
        "Quality",
        "How good the published pictures still look beside the clean ones: means, with 95 % intervals over persons.",
        columns=[("", "Model"), ("", "Method"), *columns],
        rows=lines,
        left=2,
        notes=(
            "MSSIM after Wang. ꟻLIP: 0 is no difference seen. SSIMULACRA2: 100 for equal pictures; those smaller than "
            "its six scales need are continued by their mirror images. Face: brows to chin, cheek to cheek.",
        ),
    )


def persons_table(persons: pd.DataFrame) -> FormattedTable:
    """Whom a method serves worst and best: the tenth of the persons at either end, by MR, then L2."""
    lines = []
    for (model, method), rows in persons.groupby(["model", "method"], sort=False):
        ordered, count = worst_first(rows), tenth(len(rows))
        cells = [_people(part) for part in (ordered.head(count), ordered.tail(count))]
        lines.append([model, method, str(len(ordered)), *cells])
    return FormattedTable(
        "table:persons",
        "By person",
        "The tenth of the persons whom each method serves worst and best: MR, and mean L2.",
        columns=[("", name) for name in ("Model", "Method", "Persons", "Worst", "Best")],
        rows=lines,
        left=5,
    )


def worst_first(persons: pd.DataFrame) -> pd.DataFrame:
    """The rows of PERSONS_COLUMNS, whom a method serves worst first: by MR, then by L2."""
    return persons.sort_values(["mr", "l2", "person"], ascending=[True, False, True])


def tenth(count: int) -> int:
    """How many of `count` persons are the tenth at one end: one at least."""
    return max(1, round(count / 10))


def recognised_persons_table(recognised: pd.DataFrame) -> FormattedTable:
    """Whom recognisers find most and least: the tenth of the persons at either end; RECOGNISED_PERSONS_COLUMNS."""
    lines = []
    for (model, method, name), rows in recognised.groupby(["model", "method", "recogniser"], sort=False):
        ordered = rows.dropna(subset="tmr_protected").sort_values(["tmr_protected", "person"], ascending=[False, True])
        count = tenth(len(ordered))
        cells = [_found_people(part) for part in (ordered.head(count), ordered.tail(count))]
        lines.append([model, method, recogniser_label(name), str(len(ordered)), *cells])
    return FormattedTable(
        "table:recognised-persons",
        "Recognition by person",
        "The tenth of the persons whom a recogniser finds most and least on protected pictures: true matches at 1 % "
        "false ones, protected (clean), in %.",
        columns=[("", name) for name in ("Model", "Method", "Recogniser", "Persons", "Most", "Least")],
        rows=lines,
        left=6,
    )


def _found_people(rows: pd.DataFrame) -> str:
    found = (
        f"{row['person']}: {_rate(row['tmr_protected'])} ({_rate(row['tmr_clean'])})" for _, row in rows.iterrows()
    )
    return "; ".join(found) or MISSING


def _people(rows: pd.DataFrame) -> str:
    return "; ".join(f"{row['person']}: {_rate(row['mr'])} %, {row['l2']:.2f}" for row in rows.to_dict("records"))


def _with_ends(row: Mapping, name: str, digits: int) -> str:
    if pd.isna(row[name]):
        return MISSING
    mean, low, high = (f"{row[name + end]:z.{digits}f}".replace("-", "−") for end in ("", "_low", "_high"))
    return f"{mean} ({low} to {high})"


def _rate(value: float) -> str:
    return MISSING if pd.isna(value) else f"{100 * value:.1f}"


def _points(value: float) -> str:
    return MISSING if pd.isna(value) else f"{100 * value:z.1f}".replace("-", "−")


def _between(low: float, high: float) -> str:
    return MISSING if pd.isna(low) else f"{_points(low)} to {_points(high)}"


def _number(value: float, digits: int) -> str:
    return MISSING if pd.isna(value) else f"{value:.{digits}f}"

"""Whether it protects, in sentences that follow from the numbers."""

import math
from collections.abc import Mapping

import pandas as pd

from pfgvm.report.protection.numbers import points, rate
from pfgvm.report.words import PAPER_METHODS, recogniser_label, with_unit

PROPOSED = PAPER_METHODS[0]
# P-FGVM's update on face descriptors instead of a classifier.
FEATURES = "P-FGVM (features)"
NOT_RUN = (
    "Whether a recogniser that the attacks were not made for is misled was not measured: `make evaluation` does it."
)
NO_THRESHOLD = (
    "Whether a recogniser that the attacks were not made for is misled cannot be said: its threshold {}; add persons, "
    "or raise evaluation.calibration."
)
# Of what is found on clean pictures, true matches and persons named first, so much must be gone for the words after it.
_WORDS = ((0.9, "protects"), (0.5, "protects in part"), (0.1, "protects little"), (-math.inf, "does not protect"))


def verdict(found: Mapping[str, pd.DataFrame]) -> list[str]:
    """What a reader should know first, a sentence each; found: the evaluation's tables by name, numbers as numbers."""
    recognition = found["recognition"]
    sentences = [*_of_recognition(recognition), *_of_attackers(found["adaptive"]), *_of_others(recognition)]
    if not (survival := found["survival"]).empty:
        sentences.append(_of_survival(survival))
    return [*sentences, *_of_references(found["references"])]


def in_short(found: Mapping[str, pd.DataFrame]) -> list[str]:
    """What decides: P-FGVM, on classes and on features, against the recogniser that still finds most; as `verdict`."""
    recognition = found["recognition"]
    if recognition.empty or (unseen := _unseen(recognition)).empty:
        return _of_recognition(recognition)
    sentences = []
    for method in (PROPOSED, FEATURES):
        if not (rows := unseen[unseen["method"] == method]).empty:
            worst = rows.loc[rows["tmr_protected"].idxmax()]
            sentences.append(
                f"{method} {_word_of(rows)} against recognisers that it was not made for: {_at(rows)}, "
                f"{recogniser_label(worst['recogniser'])} still makes {_rate(worst['tmr_protected'])} of the true "
                f"matches (95 % interval {_rate(worst['low'])} to {_rate(worst['high'])}; "
                f"{_rate(worst['tmr_clean'])} on clean pictures), {_first_named(rows, worst)}."
            )
    return [*sentences, *_of_attackers(found["adaptive"])]


def _of_recognition(recognition: pd.DataFrame) -> list[str]:
    if recognition.empty:
        return [NOT_RUN]
    unseen = _unseen(recognition)
    if unseen.empty:
        return [NO_THRESHOLD.format(recognition.loc[recognition["fmr"].idxmax(), "note"])]
    return [_of_proposed(unseen), *_of_features(unseen)]


def _unseen(recognition: pd.DataFrame) -> pd.DataFrame:
    """The rows of recognisers that the attack had not before it, at the highest false-match rate, with a threshold."""
    highest = recognition["fmr"] == recognition["fmr"].max()
    return recognition[highest & ~recognition["seen"] & recognition["tmr_protected"].notna()]


def _of_proposed(unseen: pd.DataFrame) -> str:
    rows = unseen[unseen["method"] == PROPOSED]
    parts = [_found(row, f" on those made on Model {row['model']}") for row in rows.to_dict("records")]
    return f"{PROPOSED} {_word_of(rows)} against recognisers that it was not made for: {_at(rows)}, {'; '.join(parts)}."


def _of_features(unseen: pd.DataFrame) -> list[str]:
    # No classifier had a part in them: they are the same images on either.
    rows = unseen[unseen["method"] == FEATURES].drop_duplicates("recogniser")
    if rows.empty:
        return []
    parts = [_found(row, "") for row in rows.to_dict("records")]
    return [f"{FEATURES}, made on face descriptors instead, {_word_of(rows)}: {_at(rows)}, {'; '.join(parts)}."]


def _word_of(rows: pd.DataFrame) -> str:
    # It protects no better than from the recogniser that still finds most, be it in pairs or among all enrolled.
    return _word_for(min(_lost(row, measure) for row in rows.to_dict("records") for measure in ("tmr", "rank1")))


def _lost(row: Mapping, measure: str) -> float:
    """The part of what is found on clean pictures that is gone; where nothing was found, there is nothing to lose."""
    clean = row[f"{measure}_clean"]
    return 1 - row[f"{measure}_protected"] / clean if clean > 0 else 0.0


def _word_for(lost: float) -> str:
    return next(word for least, word in _WORDS if lost >= least)


def _at(rows: pd.DataFrame) -> str:
    return f"at {100 * rows['fmr'].max():g} % false matches"


def _found(row: Mapping, on: str) -> str:
    return (
        f"{recogniser_label(row['recogniser'])} still makes {_rate(row['tmr_protected'])} of the true matches "
        f"({_rate(row['tmr_clean'])} on clean pictures){on}, "
        f"{points(row['drop_over_random'])} points fewer than under random noise of equal L2 "
        f"(95 % interval {points(row['drop_low'])} to {points(row['drop_high'])}), {_named(row, row)}"
    )


def _first_named(rows: pd.DataFrame, said: Mapping) -> str:
    most = rows.loc[rows["rank1_protected"].idxmax()]
    again = most["recogniser"] == said["recogniser"]
    return _named(most, said, "it " if again else f"{recogniser_label(most['recogniser'])} ")


def _named(row: Mapping, said: Mapping, subject: str = "") -> str:
    """The persons named first, in `row`, after the true matches of `said`: "but" where they tell another tale."""
    alike = _word_for(_lost(said, "tmr")) == _word_for(_lost(row, "rank1"))
    protected, clean = _rate(row["rank1_protected"]), _rate(row["rank1_clean"])
    return f"{'and' if alike else 'but'} {subject}names the person first among all enrolled for {protected} ({clean})"


def _of_attackers(adaptive: pd.DataFrame) -> list[str]:
    # Purifiers ask a classifier, which this method has not attacked.
    asked = adaptive["recogniser"].notna() & (adaptive["recogniser"] != "")
    rows = adaptive[(adaptive["method"] == FEATURES) & asked & adaptive["accuracy_protected"].notna()]
    if rows.empty:
        return []
    most = rows.loc[rows["accuracy_protected"].idxmax()]
    how = {
        "retrained": "retrained on such pictures",
        "growing gallery": "with a gallery that grows by what it recognises",
    }
    return [
        f"Who knows of {FEATURES} finds more: {recogniser_label(most['recogniser'])}, {how[most['attacker']]}, names "
        f"{_rate(most['accuracy_protected'])} of its pictures rightly (95 % interval {_rate(most['low'])} to "
        f"{_rate(most['high'])}; {_rate(most['accuracy_clean'])} of clean ones)."
    ]


def _of_others(recognition: pd.DataFrame) -> list[str]:
    if recognition.empty:
        return []
    unseen = _unseen(recognition)
    others = unseen[~unseen["method"].isin([PROPOSED, FEATURES, "Clean"])]
    if others.empty:
        return []
    best = others.loc[others["drop_over_random"].idxmax()]
    return [
        f"Of the other ways, {best['method']} takes most: {points(best['drop_over_random'])} points of "
        f"{recogniser_label(best['recogniser'])}'s true matches more than noise of equal L2 "
        f"({points(best['drop_low'])} to {points(best['drop_high'])})."
    ]


def _of_survival(survival: pd.DataFrame) -> str:
    rows = survival[survival["method"] == PROPOSED]
    worst = rows.loc[rows["mr"].idxmin()]
    return (
        f"The model that it was made for errs on {_rate(worst['mr'])} of {PROPOSED}'s pictures at the worst of what "
        f"befalls them on their way ({worst['transform']}, Model {worst['model']}; "
        f"{_rate(worst['low'])} to {_rate(worst['high'])})."
    )


def _of_references(references: pd.DataFrame) -> list[str]:
    rows = references[(references["method"] == PROPOSED) & (references["l2_best"] > 0)]
    parts = [
        f"{row['l2'] / row['l2_best']:.2f} times the smallest known on Model {row['model']} "
        f"({row['l2']:.2f} against {row['l2_best']:.2f})"
        for row in rows.to_dict("records")
    ]
    return [f"{PROPOSED}'s L2 is {' and '.join(parts)}."] if parts else []


def _rate(value: float) -> str:
    return with_unit(rate(value))

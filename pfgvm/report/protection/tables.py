"""The tables of the evaluation, as they are read."""

from collections.abc import Callable, Mapping

import pandas as pd

from pfgvm.report.formatted_table import FormattedTable
from pfgvm.report.protection.adaptive import adaptive_table
from pfgvm.report.protection.cost import equal_mr_table, quality_table, references_table
from pfgvm.report.protection.persons import persons_table, recognised_persons_table
from pfgvm.report.protection.recognition import recognition_table, transfer_table
from pfgvm.report.protection.survival import survival_table

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

"""Compare the paper's methods with minimum-norm attacks."""

from pathlib import Path

import pandas as pd

from pfgvm.evaluation.findings.l2_ratios import distance_to_best
from pfgvm.methods import PAPER_METHODS, label_of, labels_of
from stages.common.data_frames import read_numbers, write_table
from stages.common.program import run


def main(*, scores: list[Path], paper_scores: Path, out: Path) -> None:
    """Write the distance of each method's L2 to the best of all methods to `out`.

    scores: the scores of the minimum-norm attacks, one table each. paper_scores: those of the paper's methods.
    """
    table = pd.concat([read_numbers(path) for path in scores])
    table = pd.concat([read_numbers(paper_scores), table.assign(method=table["method"].map(label_of))])
    write_table(distance_to_best(table, PAPER_METHODS, labels_of("minimum_norm")), out)


if __name__ == "__main__":
    run(main)

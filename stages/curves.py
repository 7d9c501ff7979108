"""Bring the trade-off curves of all methods together, and read them at equal misclassification rates."""

from pathlib import Path

import pandas as pd

from pfgvm.evaluation.findings.trade_off import CURVE_SCORES, CURVES_COLUMNS, EQUAL_MR_COLUMNS, at_equal_mr, curves
from pfgvm.report.words import PAPER_METHODS
from stages.common.curve_values import values_used
from stages.common.data_frames import read_numbers, read_table, write_table
from stages.common.program import read_settings, run


def main(*, curve_scores: Path, scores: Path, out: Path) -> None:
    """Write curves.csv and equal_mr.csv into the folder `out`; headers alone without `curves` in evaluation.parts."""
    settings = read_settings()
    points, equal = pd.DataFrame(columns=CURVES_COLUMNS), pd.DataFrame(columns=EQUAL_MR_COLUMNS)
    if "curves" in settings.evaluation.parts:
        further = pd.concat([read_table(path) for path in sorted(curve_scores.glob("*/*.csv"))])
        own = values_used(settings.attack)
        # The settings' own values were scored already: of the same images, as computed.
        done = read_numbers(scores).query("pixels == 'float'")
        done = done[done["image"].isin(further["image"])]
        keys = list(zip(done["model"], done["method"], strict=True))
        done = done.assign(parameter=[own[key][0] if key in own else None for key in keys])
        done = done.assign(value=[own[key][1] if key in own else None for key in keys]).dropna(subset="parameter")
        numbers = dict.fromkeys(["value", "l2", "mssim", "mssim_legacy"], float)
        points = curves(pd.concat([further[CURVE_SCORES], done[CURVE_SCORES]]).astype(numbers))
        equal = at_equal_mr(points, {key: value for key, (_, value) in own.items()}, PAPER_METHODS[0])
    write_table(points, out / "curves.csv")
    write_table(equal, out / "equal_mr.csv")


if __name__ == "__main__":
    run(main)

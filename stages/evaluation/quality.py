"""Compute the table of image quality."""

from pathlib import Path

from pfgvm.evaluation.findings.mean_quality import quality
from stages.common.data_frames import read_table, write_table
from stages.common.program import run
from stages.evaluation.evaluated_set import read_evaluated
from stages.evaluation.image_forms import PUBLISHED


def main(*, evaluated: Path, split: Path, out: Path) -> None:
    """Write the mean metrics of each set to `out`.

    evaluated: the folder of evaluate.py's output. split: the split of all clean images.
    """
    persons = dict(read_table(split)[["image", "person"]].itertuples(index=False))
    write_table(quality(read_evaluated(evaluated), persons, published=PUBLISHED), out)


if __name__ == "__main__":
    run(main)

"""Compute the table of robustness to post-processing."""

from pathlib import Path

from pfgvm.evaluation.findings.robustness_rates import robustness
from pfgvm.evaluation.transforms import POST_PROCESSING
from stages.common.data_frames import read_table, write_table
from stages.common.program import read_settings, run
from stages.evaluation.evaluated_set import read_enrolments, read_evaluated


def main(*, evaluated: Path, gallery: Path, split: Path, out: Path) -> None:
    """Write the results of models and recognisers after each transform to `out`.

    evaluated: the folder of evaluate.py's output. gallery: the output of gallery.py. split: the split of all clean
    images.
    """
    persons = dict(read_table(split)[["image", "person"]].itertuples(index=False))
    enrolments = read_enrolments(gallery, read_settings())
    write_table(robustness(read_evaluated(evaluated), POST_PROCESSING, persons, enrolments), out)


if __name__ == "__main__":
    run(main)

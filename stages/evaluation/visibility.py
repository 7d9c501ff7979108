"""Compute the table of recognition at equal visibility."""

from pathlib import Path

from pfgvm.evaluation.findings.visibility_rates import visibility
from stages.common.data_frames import write_table
from stages.common.program import read_settings, run
from stages.evaluation.evaluated_set import read_enrolments, read_strengths


def main(*, strengths: Path, gallery: Path, out: Path) -> None:
    """Write the true-match rates of each method at several strengths to `out`.

    strengths: the folder of strengths.py's output. gallery: the output of gallery.py.
    """
    write_table(visibility(read_strengths(strengths), read_enrolments(gallery, read_settings())), out)


if __name__ == "__main__":
    run(main)

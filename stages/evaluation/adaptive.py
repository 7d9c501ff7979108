"""Compute the table of adaptive attackers."""

from pathlib import Path

from pfgvm.evaluation.findings.adaptive_attackers import adaptive
from pfgvm.evaluation.transforms import PURIFIERS
from stages.common.data_frames import write_table
from stages.common.program import read_settings, run
from stages.evaluation.evaluated_set import read_enrolments, read_evaluated
from stages.evaluation.image_forms import PUBLISHED, UNWARPED


def main(*, evaluated: Path, gallery: Path, out: Path) -> None:
    """Write the accuracies of adaptive attackers to `out`.

    evaluated: the folder of evaluate.py's output. gallery: the output of gallery.py.
    """
    settings = read_settings()
    enrolments, seed = read_enrolments(gallery, settings), settings.attack.seed
    views = {"published": PUBLISHED, "unwarped": UNWARPED}
    write_table(adaptive(read_evaluated(evaluated), enrolments, PURIFIERS, **views, seed=seed), out)


if __name__ == "__main__":
    run(main)

"""Make one table of what was seen on the adversarial sets."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pfgvm.evaluation.findings.adaptive import ADAPTIVE_COLUMNS, adaptive
from pfgvm.evaluation.findings.by_person import (
    RECOGNISED_IMAGES_COLUMNS,
    RECOGNISED_PERSONS_COLUMNS,
    recognised_images,
    recognised_persons,
)
from pfgvm.evaluation.findings.enrolment import PAIRS_COLUMNS, THRESHOLDS_COLUMNS, genuine_pairs, thresholds_table
from pfgvm.evaluation.findings.quality import QUALITY_COLUMNS, quality
from pfgvm.evaluation.findings.recognition import RECOGNITION_COLUMNS, recognition
from pfgvm.evaluation.findings.survival import SURVIVAL_COLUMNS, survival
from pfgvm.evaluation.findings.transfer import TRANSFER_COLUMNS, transfer
from pfgvm.evaluation.findings.visibility import VISIBILITY_COLUMNS, visibility
from pfgvm.evaluation.transforms import PURIFIERS, SURVIVAL
from stages.common.data_frames import read_table, write_table
from stages.common.evaluated_set import read_enrolments, read_evaluated, read_strengths
from stages.common.program import read_settings, run
from stages.common.views import CONTROL, PUBLISHED


class Table(NamedTuple):
    """A table: the part of the evaluation that asks for it, and its columns where it is not asked for."""

    part: str
    columns: Sequence[str]


TABLES = {
    "recognition": Table("recognition", RECOGNITION_COLUMNS),
    "thresholds": Table("recognition", THRESHOLDS_COLUMNS),
    "pairs": Table("recognition", PAIRS_COLUMNS),
    "recognised_persons": Table("recognition", RECOGNISED_PERSONS_COLUMNS),
    "recognised_images": Table("recognition", RECOGNISED_IMAGES_COLUMNS),
    "transfer": Table("recognition", TRANSFER_COLUMNS),
    "survival": Table("survival", SURVIVAL_COLUMNS),
    "adaptive": Table("adaptive", ADAPTIVE_COLUMNS),
    "quality": Table("quality", QUALITY_COLUMNS),
    "visibility": Table("curves", VISIBILITY_COLUMNS),
}


def main(*, table: str, evaluated: Path, strengths: Path, gallery: Path, split: Path, out: Path) -> None:
    """Write `table`, a name of TABLES, to `out`: its header alone where evaluation.parts does not name its part.

    evaluated, strengths: the folders that stages/evaluate.py and stages/visibility.py write into. gallery: what
    stages/gallery.py writes. split: of all clean images.
    """
    settings = read_settings()
    part, columns = TABLES[table]
    if part not in settings.evaluation.parts:
        write_table(pd.DataFrame(columns=columns), out)
        return
    sets = read_evaluated(evaluated)
    persons = dict(read_table(split)[["image", "person"]].itertuples(index=False))
    known = [] if table in ("quality", "transfer") else read_enrolments(gallery, settings)
    seed = settings.attack.seed

    def pairs() -> pd.DataFrame:
        shown = {image for one in sets for image in one.view(PUBLISHED)["image"].tolist()}
        return genuine_pairs(sorted(shown), known[0].gallery)

    make: dict[str, Callable[[], pd.DataFrame]] = {
        "recognition": lambda: recognition(sets, known, published=PUBLISHED, control=CONTROL),
        "thresholds": lambda: thresholds_table(known),
        "pairs": pairs,
        "recognised_persons": lambda: recognised_persons(sets, known, published=PUBLISHED),
        "recognised_images": lambda: recognised_images(sets, known, published=PUBLISHED),
        "transfer": lambda: transfer(sets, persons, published=PUBLISHED),
        "survival": lambda: survival(sets, SURVIVAL, persons, known),
        "adaptive": lambda: adaptive(sets, known, PURIFIERS, published=PUBLISHED, seed=seed),
        "quality": lambda: quality(sets, persons, published=PUBLISHED),
        "visibility": lambda: visibility(read_strengths(strengths), known),
    }
    write_table(make[table](), out)


if __name__ == "__main__":
    run(main)

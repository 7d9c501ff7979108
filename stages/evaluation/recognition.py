"""Compute the tables of verification, identification and transfer."""

from pathlib import Path

from pfgvm.evaluation.findings.enrolment import genuine_pairs, thresholds_table
from pfgvm.evaluation.findings.per_identity import recognised_images, recognised_persons
from pfgvm.evaluation.findings.recognition_rates import recognition
from pfgvm.evaluation.findings.transfer import transfer
from stages.common.data_frames import read_table, write_table
from stages.common.program import read_settings, run
from stages.evaluation.evaluated_set import read_enrolments, read_evaluated
from stages.evaluation.image_forms import CONTROL, PUBLISHED


def main(*, evaluated: Path, gallery: Path, split: Path, out: Path) -> None:
    """Write recognition.csv, transfer.csv and the tables behind them to the folder `out`.

    evaluated: the folder of evaluate.py's output. gallery: the output of gallery.py. split: the split of all clean
    images.
    """
    sets, enrolments = read_evaluated(evaluated), read_enrolments(gallery, read_settings())
    persons = dict(read_table(split)[["image", "person"]].itertuples(index=False))
    images = sorted({image for image_set in sets for image in image_set.view(PUBLISHED)["image"].tolist()})
    tables = {
        "recognition": recognition(sets, enrolments, published=PUBLISHED, control=CONTROL),
        "thresholds": thresholds_table(enrolments),
        "pairs": genuine_pairs(images, enrolments[0].gallery),
        "recognised_persons": recognised_persons(sets, enrolments, published=PUBLISHED),
        "recognised_images": recognised_images(sets, enrolments, published=PUBLISHED),
        "transfer": transfer(sets, persons, published=PUBLISHED),
    }
    for name, table in tables.items():
        write_table(table, out / f"{name}.csv")


if __name__ == "__main__":
    run(main)

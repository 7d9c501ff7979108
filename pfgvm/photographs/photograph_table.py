"""Table of the recognisers' verdicts on a protected photo."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.words import model_name

# Face width, in pixels, below which recognisers are unreliable.
_FEW_PIXELS = 32

Row = Mapping[str, Any]


def photograph_table(rows: Sequence[Row], notes: Sequence[str] = ()) -> FormattedTable:
    """Table of one photo. rows: as written by tools/protect.py."""
    first, count = rows[0], rows[-1]["face"]
    return FormattedTable(
        label="",
        title=f"{count} {'face' if count == 1 else 'faces'}",
        caption=f"{_mode(first)}{first['method']} on {_attacked(first)}.",
        columns=[("", name) for name in ("Face", "Pixels", "Recogniser", "Before", "After")],
        rows=[
            # A face is named only in its first row.
            [
                *(_face(row) if row["face"] != before else ["", ""]),
                *(_of_model if row["target"] else _of_recogniser)(row),
            ]
            for before, row in zip([None, *(row["face"] for row in rows)], rows, strict=False)
        ],
        left=5,
        notes=(*notes, _visibility(rows), *_remarks(rows)),
    )


def _mode(row: Row) -> str:
    return f"Mode {row['mode']}: " if row["mode"] else ""


def _attacked(row: Row) -> str:
    """Description of the attacked model or descriptors."""
    if row["model"]:
        return model_name(row["model"], {row["model"]: row["descriptor"]})
    return " and ".join(recogniser_label(name) for name in row["descriptor"].split(","))


def _face(row: Row) -> list[str]:
    return [str(row["face"]), f"{row['width']} x {row['height']}"]


def _of_model(row: Row) -> list[str]:
    aim = "the target" if row["predicted"] == row["target"] else f"the target is {row['target']}"
    return [_attacked(row), f"person {row['predicted_clean']}", f"person {row['predicted']} ({aim})"]


def _of_recogniser(row: Row) -> list[str]:
    role = f", under Model {row['model']}" if row["model"] else ", attacked"
    measure, sign = ("distance", -1) if row["distance"] == "euclidean" else ("similarity", 1)
    verdict = f"{measure} {sign * row['similarity']:.2f}"
    if row["same_person"] is not None:
        verdict = (
            f"{'the same' if row['same_person'] else 'another'} person ({verdict}, limit {sign * row['threshold']:.2f})"
        )
    return [recogniser_label(row["recogniser"]) + (role if row["seen"] else ""), MISSING, verdict]


def _visibility(rows: Sequence[Row]) -> str:
    """Displacement and visibility of each face."""
    of_faces = {row["face"]: row for row in rows}.values()
    parts = [
        f"face {row['face']}: displacement {row['displacement']:.1f} pixels (at most {row['displacement_max']:.1f}), "
        f"FLIP {row['flip_close']:.3f}"
        for row in of_faces
    ]
    return f"Visibility at close range: {'; '.join(parts)}."


def _remarks(rows: Sequence[Row]) -> list[str]:
    narrow = {row["face"]: row["width"] for row in rows if row["width"] < _FEW_PIXELS}
    sentences = [
        f"Face {face} is {width} pixels wide, too few for reliable recognition." for face, width in narrow.items()
    ]
    undecided = {recogniser_label(row["recogniser"]): row["threshold"] for row in rows if row["same_person"] is None}
    missing = [name for name, threshold in undecided.items() if math.isnan(threshold)]
    if missing:
        sentences.append(f"No verdict by {', '.join(missing)}: there is no threshold (run make evaluation).")
    centred = [name for name in undecided if name not in missing]
    if centred:
        sentences.append(f"No verdict by {', '.join(centred)}: a centred recogniser needs images of other persons.")
    return sentences

"""What the recognisers say of a protected photograph, as it is read."""

from collections.abc import Mapping, Sequence
from typing import Any

from pfgvm.report.formatted_table import MISSING, FormattedTable
from pfgvm.report.words import model_name, recogniser_label

# Narrower faces, in pixels, are less than recognisers are made for.
_FEW_PIXELS = 32

Row = Mapping[str, Any]


def photograph_table(rows: Sequence[Row], notes: Sequence[str] = ()) -> FormattedTable:
    """The table of one photograph; rows: those of tools/protect.py, of each face the attacked model's first."""
    model = model_name(rows[0]["model"], {rows[0]["model"]: rows[0]["descriptor"]})
    count = rows[-1]["face"]
    return FormattedTable(
        label="",
        title=f"{count} {'face' if count == 1 else 'faces'}",
        caption=f"{rows[0]['method']} on {model}.",
        columns=[("", name) for name in ("Face", "Pixels", "Recogniser", "Before", "After")],
        rows=[_of_model(row, model) if row["target"] else _of_recogniser(row) for row in rows],
        left=5,
        notes=(*notes, *_remarks(rows)),
    )


def _of_model(row: Row, model: str) -> list[str]:
    aim = "the target" if row["predicted"] == row["target"] else f"the target is {row['target']}"
    size = f"{row['width']} x {row['height']}"
    return [str(row["face"]), size, model, f"person {row['predicted_clean']}", f"person {row['predicted']} ({aim})"]


def _of_recogniser(row: Row) -> list[str]:
    name = recogniser_label(row["recogniser"]) + (f", under Model {row['model']}" if row["seen"] else "")
    measure, sign = ("distance", -1) if row["distance"] == "euclidean" else ("similarity", 1)
    said = f"{measure} {sign * row['similarity']:.2f}"
    if row["same_person"] is not None:
        said = f"{'the same' if row['same_person'] else 'another'} person ({said}, limit {sign * row['threshold']:.2f})"
    return ["", "", name, MISSING, said]


def _remarks(rows: Sequence[Row]) -> list[str]:
    said = [
        f"Face {row['face']} is {row['width']} pixels wide: recognisers are not made for so few."
        for row in rows
        if row["target"] and row["width"] < _FEW_PIXELS
    ]
    undecided = dict.fromkeys(recogniser_label(row["recogniser"]) for row in rows if row["same_person"] is None)
    if undecided:
        said.append(f"Without a threshold (make evaluation) there is no verdict by {', '.join(undecided)}.")
    return said

"""A table ready to print, and how it is written as Markdown and as LaTeX."""

import re
import textwrap
from dataclasses import dataclass
from itertools import groupby

import pandas as pd

MISSING = "–"

_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "–": "--", "−": "$-$", "×": r"$\times$", "†": r"$^\dagger$", "≠": r"$\neq$",
    "α": r"$\alpha$", "ε": r"$\varepsilon$", "λ": r"$\lambda$",
}  # fmt: skip


@dataclass(frozen=True)
class Printed:
    """A table as it is read.

    cells: strings, two levels of column names (group, name), the group empty where a column stands alone.
    left: how many of the first columns hold words (aligned left); the others hold numbers (aligned right).
    label is LaTeX's; title the paper's number ("Table 3"), which LaTeX counts itself.
    caption says what the table shows and which descriptor made it, notes what to know when reading it.
    """

    label: str
    title: str
    caption: str
    cells: pd.DataFrame
    left: int = 1
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The upper column names from left to right, each with the number of columns that it spans."""
        return [(name, len(list(run))) for name, run in groupby(self.cells.columns.get_level_values(0))]

    @property
    def starts(self) -> set[int]:
        """The columns, counted from 0, at which a named group begins."""
        first, starts = 0, set()
        for name, span in self.groups:
            starts |= {first} if name else set()
            first += span
        return starts

    @property
    def names(self) -> list[str]:
        """The lower column names."""
        return list(self.cells.columns.get_level_values(1))

    @property
    def rows(self) -> list[list[str]]:
        """The cells, row by row."""
        return self.cells.values.tolist()


def printed_cells(columns: list[tuple[str, str]], rows: list[list[str]]) -> pd.DataFrame:
    """The cells of a Printed: rows of strings under (group, name) columns."""
    return pd.DataFrame(rows, columns=pd.MultiIndex.from_tuples(columns), dtype=object)


def markdown(table: Printed) -> str:
    """A caption, a table with its columns aligned so that it also reads as plain text, and the notes."""
    # "A: L2" rather than "Model A: L2", so that Table 3 fits a terminal of 100 columns.
    header = [f"{group}: {name}".removeprefix("Model ").removeprefix(": ") for group, name in table.cells.columns]
    rows = [[_markdown_text(cell) for cell in row] for row in [header, *table.rows]]
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * width if i < table.left else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    lines = [_markdown_row(row, widths, table.left) for row in [rows[0], rule, *rows[1:]]]
    notes = [_markdown_lines(f"- {_markdown_text(note)}", "  ") for note in table.notes]
    caption = _markdown_lines(_markdown_text(f"{table.title}. {table.caption}"))
    parts = [caption, "\n".join(lines), "\n".join(notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_row(row: list[str], widths: list[int], left: int) -> str:
    cells = zip(row, widths, strict=True)
    padded = [f"{cell:{'<' if i < left else '>'}{width}}" for i, (cell, width) in enumerate(cells)]
    return f"| {' | '.join(padded)} |"


def _markdown_lines(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _markdown_text(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|\[\]])", r"\\\1", text)


def latex(table: Printed) -> str:
    """A table float with the notes under it, shrunk to the line's width where it is wider.

    The document needs the packages booktabs and graphicx, and UTF-8 input.
    """
    form = "l" * table.left + "r" * (len(table.names) - table.left)
    rows = [_latex_row(table.names), r"\midrule", *map(_latex_row, table.rows)]
    body = [r"\toprule", *_latex_groups(table), *rows, r"\bottomrule"]
    notes = [rf"\par\smallskip {_latex_text(note)}" for note in table.notes]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_latex_text(table.caption)}}}",
        rf"\label{{{table.label}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{form}}}",
        *body,
        r"\end{tabular}}",
        r"\footnotesize\raggedright",
        *notes,
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_groups(table: Printed) -> list[str]:
    if not any(name for name, _ in table.groups):
        return []
    cells = [rf"\multicolumn{{{span}}}{{c}}{{{_latex_text(name)}}}" for name, span in table.groups]
    spans = [span for name, span in table.groups if name]
    rules = [
        rf"\cmidrule(lr){{{start + 1}-{start + span}}}" for start, span in zip(sorted(table.starts), spans, strict=True)
    ]
    return [rf"{' & '.join(cells)} \\", " ".join(rules)]


def _latex_row(row: list[str]) -> str:
    return rf"{' & '.join(map(_latex_text, row))} \\"


def _latex_text(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)

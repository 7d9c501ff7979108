"""Formatted tables as Markdown and as LaTeX."""

import re
import textwrap

import pandas as pd

from pfgvm.report.formatted_table import FormattedTable

_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "[": "{[}", "–": "--", "−": "$-$", "†": r"$^\dagger$", "∞": r"$\infty$",
    "α": r"$\alpha$", "ε": r"$\varepsilon$", "λ": r"$\lambda$",
})  # fmt: skip
LATEX_PREAMBLE = "% Needs UTF-8 input, \\usepackage{booktabs} and \\usepackage{graphicx}.\n"


def markdown(table: FormattedTable) -> str:
    """The caption, the table with columns aligned as plain text, and the notes."""
    # "A: L2" instead of "Model A: L2", so that Table 3 fits a terminal of 100 columns.
    header = [f"{group}: {name}".removeprefix("Model ").removeprefix(": ") for group, name in table.columns]
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
    # An ampersand is literal unless it starts a character reference.
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|\[\]])", r"\\\1", text)


def latex(table: FormattedTable) -> str:
    """A table float with the notes below it, shrunk to the line width if it is wider.

    The document needs the packages of LATEX_PREAMBLE.
    """
    grouped = any(group for group, _ in table.columns)
    columns = pd.MultiIndex.from_tuples(table.columns) if grouped else pd.Index(table.names)
    cells = pd.DataFrame(table.rows, columns=columns).style.hide(axis="index")
    tabular = (
        cells.format(_latex_text)
        .format_index(_latex_text, axis="columns")
        .to_latex(
            column_format="l" * table.left + "r" * (len(table.columns) - table.left), hrules=True, multicol_align="c"
        )
    )
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_latex_text(table.caption)}}}",
        rf"\label{{{table.label}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        tabular.rstrip() + "}",
        *([r"\par\footnotesize\raggedright"] if table.notes else []),
        *[rf"\smallskip {_latex_text(note)}\par" for note in table.notes],
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_text(text: str) -> str:
    return text.translate(_LATEX)

"""Print the results of a run: python -m tools.results [evaluation]."""

import json
import sys
from pathlib import Path

from pfgvm.report.formatted_table import FormattedTable
from pfgvm.report.render import markdown

REPORTS = Path("reports")


def print_results() -> None:
    """Print Table 3 in the paper's form, and the path of the report."""
    # A successful run must not fail for a character that the terminal's encoding lacks.
    sys.stdout.reconfigure(errors="replace")
    # Without the full table, which follows.
    print((REPORTS / "table3.md").read_text("utf-8").partition("Table 3 in full")[0].rstrip(), end="\n\n")
    print(f"Report: {REPORTS / 'index.html'}. `make evaluation` evaluates the protection.")


def print_evaluation() -> None:
    """Print the evaluation's claims and summary, and the path of its report."""
    sys.stdout.reconfigure(errors="replace")
    report = json.loads((REPORTS / "evaluation/report.json").read_text("utf-8"))
    print(*report["claims"], markdown(FormattedTable(**report["summary"])), sep="\n\n")
    print(f"Report: {REPORTS / 'evaluation/index.html'}")


if __name__ == "__main__":
    (print_evaluation if sys.argv[1:] == ["evaluation"] else print_results)()

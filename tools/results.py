"""Print what a run has come to: python -m tools.results [evaluation]."""

import json
import sys
from pathlib import Path

from pfgvm.report.formatted_table import FormattedTable
from pfgvm.report.render import markdown

REPORTS = Path("reports")


def print_results() -> None:
    """Print Table 3 in the paper's form, and where the whole report is."""
    # A terminal that cannot show a sign shows another; the run has succeeded all the same.
    sys.stdout.reconfigure(errors="replace")
    # What follows is the full one.
    print((REPORTS / "table3.md").read_text("utf-8").partition("Table 3 in full")[0].rstrip(), end="\n\n")
    print(f"The whole report: {REPORTS / 'index.html'}. `make evaluation` evaluates the protection.")


def print_evaluation() -> None:
    """Print the evaluation's claims and its summary, and where the whole evaluation is."""
    sys.stdout.reconfigure(errors="replace")
    report = json.loads((REPORTS / "evaluation/report.json").read_text("utf-8"))
    print(*report["claims"], markdown(FormattedTable(**report["summary"])), sep="\n\n")
    print(f"The whole evaluation: {REPORTS / 'evaluation/index.html'}")


if __name__ == "__main__":
    (print_evaluation if sys.argv[1:] == ["evaluation"] else print_results)()

"""Print what a run has come to: python -m tools.results."""

import json
import sys
import textwrap
from pathlib import Path

REPORTS = Path("reports")


def print_results() -> None:
    """Print Table 3 in the paper's form, the verdict, and where the whole report is."""
    # A terminal that cannot show a sign shows another; the run has succeeded all the same.
    sys.stdout.reconfigure(errors="replace")
    # What follows is the full one.
    print((REPORTS / "table3.md").read_text("utf-8").partition("Table 3 in full")[0].rstrip(), end="\n\n")
    for sentence in json.loads((REPORTS / "protection.json").read_text("utf-8"))["verdict"]:
        print(textwrap.fill(sentence, 100), end="\n\n")
    print(f"The whole report: {REPORTS / 'index.html'}")


if __name__ == "__main__":
    print_results()

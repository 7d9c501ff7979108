"""The report's page: what was run, in words, and every table and figure in one file."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import jinja2

from pfgvm.report.comparison import formatted_tables
from pfgvm.report.formatted_table import FormattedTable
from pfgvm.report.run_summary import caveats, facts
from pfgvm.report.words import descriptor_note


def page(
    report: Mapping[str, Any],
    protection: Mapping[str, Any],
    figures: Mapping[str, bytes],
    *,
    template: str,
    style: str,
) -> str:
    """The page as HTML: tables as text, figures embedded, nothing loaded from elsewhere.

    report: pfgvm.report.tables.report, or the same read from report.json. protection: likewise what protection.json
    holds, sentences as `verdict` and formatted `tables`. figures: PNG files by name. template: in Jinja's language.
    style: CSS.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    run, paper = report["run"], report["paper"]
    html = environment.from_string(template).render(
        tables=formatted_tables(report),
        verdict=protection["verdict"],
        protection=[FormattedTable(**table) for table in protection["tables"]],
        figures={name: f"data:image/png;base64,{b64encode(png).decode()}" for name, png in figures.items()},
        facts=facts(run, paper),
        caveats=caveats(run, paper),
        descriptor=descriptor_note(run["descriptors"]),
        style=style,
    )
    return html + "\n"

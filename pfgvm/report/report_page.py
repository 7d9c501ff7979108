"""The pages of the report: claims, tables, plots and faces in one HTML file each."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from pfgvm.methods import PAPER_METHODS
from pfgvm.report.beside_paper import beside_paper
from pfgvm.report.formatted_table import FormattedTable
from pfgvm.report.headline import faces_sentence, headline
from pfgvm.report.paper_figures import AMPLIFICATION
from pfgvm.report.paper_tables import formatted_tables
from pfgvm.report.persons_table import persons_table
from pfgvm.report.published import l2_growth
from pfgvm.report.run_summary import caveats, facts
from pfgvm.report.viewer import ZERO
from pfgvm.report.words import GLOSSARY, NOT_COMPARABLE, model_name
from pfgvm.settings import MODEL_NAMES

# The CSV files behind each table, by its label.
SOURCES = {
    "table:results": ("table3.csv", "differences.csv"),
    "table:attacks": ("table2.csv",),
    "table:architecture": ("table1.csv",),
    "table:training": ("table4.csv",),
    "table:persons": ("persons.csv",),
}
EVALUATION_SOURCES = {
    "table:summary": ("recognition.csv",),
    "table:recognition": ("recognition.csv", "thresholds.csv", "pairs.csv", "recognised_images.csv"),
    "table:transfer": ("transfer.csv",),
    "table:robustness": ("robustness.csv",),
    "table:adaptive": ("adaptive.csv",),
    "table:minimum-norm": ("minimum_norm.csv",),
    "table:equal-mr": ("equal_mr.csv", "curves.csv"),
    "table:quality": ("quality.csv",),
    "table:visibility": ("quality.csv", "visibility.csv"),
    "table:recognised-persons": ("recognised_persons.csv",),
    "table:results-full": ("table3.csv",),
}


_METHOD = re.compile("|".join(map(re.escape, PAPER_METHODS)))
_TERM = re.compile(r"(?<![\w-])(MR|L2|SI|TMR|FMR)(?!\w)")


@dataclass(frozen=True)
class PlotOnPage:
    """A plot on the page: name, title, caption, the CSV files that it is drawn from, and the SVG."""

    name: str
    title: str
    caption: str
    sources: Sequence[str]
    svg: str


def page(
    report: Mapping[str, Any],
    faces: Mapping[str, Any],
    plots: Mapping[str, PlotOnPage],
    *,
    templates: Mapping[str, str],
) -> str:
    """The page of the paper's tables and figures as self-contained HTML.

    report: pfgvm.report.table_data.report, or the same read from report.json. faces: from stages/pictures.py.
    plots: by name. templates: the files of reports/page by name.
    """
    run, paper = report["run"], report["paper"]
    image_size = (run["image_height"], run["image_width"])
    return render(
        "index.html.j2",
        templates,
        tables=formatted_tables(report),
        headline=headline(report),
        on_faces=faces_sentence(report),
        beside=beside_paper(report["table3"], paper, image_size),
        growth=l2_growth(paper, image_size),
        models=[model_name(model, run["descriptors"]) for model in MODEL_NAMES],
        faces=faces,
        faces_json=in_script(_of_viewer(faces)),
        plots=plots,
        persons=persons_table(pd.DataFrame(report["persons"])),
        sources=SOURCES,
        facts=facts(run, paper),
        caveats=caveats(run, paper),
        amplification=AMPLIFICATION,
    )


def evaluation_page(
    report: Mapping[str, Any],
    faces: Mapping[str, Any],
    plots: Mapping[str, PlotOnPage],
    *,
    templates: Mapping[str, str],
) -> str:
    """The evaluation's page as self-contained HTML.

    report: from stages/evaluation/tables.py, formatted tables as dictionaries. The others: as for `page`.
    """
    return render(
        "evaluation.html.j2",
        templates,
        claims=report["claims"],
        summary=FormattedTable(**report["summary"]),
        tables=[FormattedTable(**table) for table in report["tables"]],
        run=report["run"],
        faces=faces,
        faces_json=in_script(_of_viewer(faces)),
        plots=plots,
        sources=EVALUATION_SOURCES,
    )


def _of_viewer(faces: Mapping[str, Any]) -> dict[str, Any]:
    return {name: faces[name] for name in ("images", "evolution", "recognisers")} | {"zero": ZERO}


def render(name: str, templates: Mapping[str, str], **values: Any) -> str:
    """The template `name` of `templates`, texts by file name, rendered with `values`."""
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    environment.filters["terms"] = _terms
    template = environment.get_template(name)
    return template.render(not_comparable=NOT_COMPARABLE, glossary=GLOSSARY, **values) + "\n"


def _code(text: str) -> Markup:
    """HTML of `text`: code between backquotes; per cent signs and names of methods do not wrap."""
    parts = text.replace(" %", "\u00a0%").split("`")
    html = Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))
    return Markup(_METHOD.sub(r'<span class="name">\g<0></span>', str(html)))


def _terms(text: str) -> Markup:
    """HTML of `text` as by `_code`, with the terms of GLOSSARY explained on hover."""
    html = str(_code(text))
    return Markup(_TERM.sub(lambda term: f'<abbr title="{escape(GLOSSARY[term[0]])}">{term[0]}</abbr>', html))


def in_script(values: Any) -> str:
    """`values` as JSON that is safe in a script element."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")

"""Write Tables 1 to 4, each next to the paper's, and the data of the page."""

import json
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from pfgvm.report import table_data
from pfgvm.report.paper_tables import formatted_tables
from pfgvm.report.render import LATEX_PREAMBLE, latex, markdown
from pfgvm.report.run_summary import run_summary
from stages.common.data_frames import csv_text, read_numbers, read_table
from stages.common.files import atomic_write
from stages.common.program import read_settings, run
from stages.reporting.run_digest import run_digest
from stages.reporting.training_records import read_records

COLUMNS = {
    "table1": table_data.TABLE1_COLUMNS,
    "table2": table_data.TABLE2_COLUMNS,
    "table3": table_data.TABLE3_COLUMNS,
    "table4": table_data.TABLE4_COLUMNS,
}
# The tables in table1.md to table4.md.
FORMATTED = {"table1": ["table1"], "table2": ["table2"], "table3": ["table3", "table3_full"], "table4": ["table4"]}


def main(*, scores: Path, split: Path, models: Path, paper: Path, out: Path) -> None:
    """Write Tables 1 to 4 (CSV, Markdown, LaTeX) and the page's data to the folder `out`.

    The data: differences.csv, learning_curves.csv, persons.csv, metrics.json and report.json. paper: the paper's
    values, YAML.
    """
    settings = read_settings()
    records = read_records(models)
    scored = read_numbers(scores)
    numbers = {
        "table1": table_data.architecture(records),
        "table2": table_data.attack_parameters(settings),
        "table3": table_data.results(scored, {record.model: record.descriptor for record in records}),
        "table4": table_data.training(records),
    }
    summary = run_summary(settings, records, read_table(split), numbers["table3"], run_digest(scores))
    epochs = {record.model: pd.read_csv(models / record.model / "history.csv") for record in records}
    differences = table_data.differences(scored)
    published = YAML(typ="safe", pure=True).load(paper)
    persons = table_data.by_person(scored)
    report = table_data.report(numbers | {"differences": differences, "persons": persons}, summary, published)

    formatted = formatted_tables(report)
    files = {
        "differences.csv": csv_text(differences),
        "learning_curves.csv": csv_text(pd.concat(epochs, names=["model"]).reset_index("model")),
        "persons.csv": csv_text(persons),
    }
    for name, table in numbers.items():
        forms = [formatted[key] for key in FORMATTED[name]]
        files[f"{name}.csv"] = csv_text(table[COLUMNS[name]])
        files[f"{name}.md"] = "\n".join(map(markdown, forms)).encode()
        files[f"{name}.tex"] = (LATEX_PREAMBLE + "\n".join(map(latex, forms))).encode()
    metrics = table_data.metrics_by_method(numbers["table3"], numbers["table4"])
    files["metrics.json"] = json.dumps(metrics, indent=2).encode()
    files["report.json"] = (json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    for name, content in files.items():
        with atomic_write(out / name) as path:
            path.write_bytes(content)


if __name__ == "__main__":
    run(main)

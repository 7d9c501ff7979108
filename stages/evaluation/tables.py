"""Write the data of the evaluation's page, and Table 3 of the methods that the evaluation adds."""

import json
from dataclasses import asdict
from pathlib import Path

from pfgvm.report import table_data as numbers
from pfgvm.report.evaluation.document import evaluation_document
from pfgvm.report.evaluation.evaluation_tables import evaluation_tables
from pfgvm.report.evaluation.summary import claims, summary_table
from pfgvm.report.run_summary import evaluated_run
from pfgvm.report.table3 import table3_full
from stages.common.data_frames import csv_text, read_numbers
from stages.common.files import atomic_write
from stages.common.program import read_settings, run
from stages.evaluation.evaluated_set import read_scores
from stages.reporting.run_digest import run_digest
from stages.reporting.training_records import read_records

TABLES = (
    "recognition", "transfer", "robustness", "adaptive", "minimum_norm", "equal_mr", "quality", "recognised_persons",
)  # fmt: skip


def main(*, scores: Path, paper_scores: Path, models: Path, tables: Path, out: Path) -> None:
    """Write table3.csv, evaluation.md and report.json to the folder `out`.

    scores: the folder of the scores that the evaluation adds. paper_scores: those of the paper's sets, which identify
    the evaluated run. tables: the folder of the CSV tables TABLES.
    """
    descriptors = {record.model: record.descriptor for record in read_records(models)}
    results = numbers.results(read_scores(scores), descriptors)
    read = {name: read_numbers(tables / f"{name}.csv") for name in TABLES}
    summary, sentences = summary_table(read["recognition"]), claims(read)
    added = table3_full(numbers.as_records(results), numbers.table3_metrics(), descriptors)
    report = {
        "run": evaluated_run(read_settings(), descriptors, run_digest(paper_scores)),
        "claims": sentences,
        "summary": asdict(summary),
        "tables": [asdict(table) for table in (*evaluation_tables(read), added)],
    }
    files = {
        "table3.csv": csv_text(results[numbers.TABLE3_COLUMNS]),
        "evaluation.md": evaluation_document(read).encode(),
        "report.json": (json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(),
    }
    for name, content in files.items():
        with atomic_write(out / name) as partial:
            partial.write_bytes(content)


if __name__ == "__main__":
    run(main)

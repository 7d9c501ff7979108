"""Write the generated parts of the documents from committed numbers: python -m tools.docs (make docs).

A generated part of a page stands between `<!-- begin NAME -->` and `<!-- end -->`; BLOCKS says what it shows. DOCUMENTS
are generated as a whole. A number that stands in a document comes from here, or from a run that the text names.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from stages.common.files import atomic_write
from stages.common.program import run
from tools.collect import RUNS
from tools.documents.kept import BUNDLED, CELEBA, REPORTS, plain_table
from tools.documents.paper import differences, first_table, readings, seeds, table3_of, table_alone
from tools.documents.protection import ablation, evaluation, goals, modes, protection, protection_in_short

SPEED = Path("benchmarks/results")
# Rows of the benchmarks, by the command that they time.
PIPELINES = {"make repro": "dvc repro, bundled faces, cpu", "make evaluation": "evaluation, bundled faces, cpu"}


def main() -> None:
    """Write every block of every page, and every document, in place."""
    for path, text in generated().items():
        with atomic_write(path) as partial:
            partial.write_text(text, "utf-8")


def generated() -> dict[Path, str]:
    """What the documents are to hold: path to text. Raises KeyError for a block that BLOCKS does not name."""
    texts = {path: f"{make().rstrip()}\n\n{made_by(results)}\n" for path, (results, make) in DOCUMENTS.items()}
    for path in (Path("README.md"), *sorted(Path("docs").glob("*.md")), *sorted(REPORTS.glob("*/README.md"))):
        text = path.read_text("utf-8")
        texts[path] = re.sub(r"(?s)(<!-- begin (.+?) -->\n).*?(<!-- end -->)", _filled, text)
    return texts


def _filled(block: re.Match[str]) -> str:
    results, make = BLOCKS[block[2]]
    content = [make().strip(), *([made_by(results)] if results else [])]
    return f"{block[1]}\n" + "\n\n".join([*content, block[3]])


def made_by(results: str) -> str:
    """The commit and the machine that made `results`, of tools.collect.RESULTS."""
    record = json.loads(RUNS.read_text("utf-8"))[results]
    machine = record["machine"]
    return f"*Commit {record['commit']}; {machine['cpu']}, {machine['cores']} cores; PyTorch {machine['torch']}.*"


def runs() -> str:
    """The runs on CelebA: their commit, their processor, and the settings that differ from the commit's."""
    records = {
        name: record for name, record in json.loads(RUNS.read_text("utf-8")).items() if name.startswith(CELEBA.name)
    }
    settings = {name: _assignments(record["settings"]) for name, record in records.items()}
    [first, *_] = settings.values()
    common = [assignment for assignment in first if all(assignment in each for each in settings.values())]
    rows = []
    for name, record in records.items():
        others = ", ".join(text for text in settings[name] if text not in common)
        rows.append([name, f"`{record['commit']}`", record["machine"]["cpu"], others])
    table = plain_table(["Results", "Commit", "Processor", "Other settings"], rows)
    return f"All runs: {', '.join(common)}.\n\n{table}"


def _assignments(settings: Mapping[str, Any]) -> list[str]:
    """`key: value` of each setting in YAML; the entries of a recogniser are one setting."""
    grouped: dict[str, Any] = {}
    for key, value in settings.items():
        if recogniser := re.match(r"(evaluation\.recognisers\.[^.]+)\.(.+)", key):
            grouped.setdefault(recogniser[1], {})[recogniser[2]] = value
        else:
            grouped[key] = value
    # JSON is YAML; a block style would break a table's row.
    return [f"`{key}: {json.dumps(value)}`" for key, value in grouped.items()]


def speed() -> str:
    """The benchmarks' tables of all machines, without their notes."""
    tables = []
    for path in sorted(SPEED.glob("*.md")):
        entries = json.loads(path.with_suffix(".json").read_text("utf-8"))["results"].values()
        commits = ", ".join(sorted({entry["commit"] for entry in entries}))
        tables.append(f"{table_alone(path.read_text('utf-8')).strip()}\n\n*Commit {commits}.*")
    return "\n\n".join(tables)


def times() -> str:
    """How long the two pipelines take, by machine."""
    rows = []
    for path in sorted(SPEED.glob("*.json")):
        measured = json.loads(path.read_text("utf-8"))
        machine = measured["machine"]
        for command, row in PIPELINES.items():
            if entry := measured["results"].get(row):
                minutes = f"{median(entry['ours']) / 60:.0f} min"
                rows.append([f"`{command}`", minutes, f"{machine['cpu']}, {machine['cores']} cores", entry["commit"]])
    return plain_table(["Command", "Time", "Machine", "Commit"], rows)


# Each with the results of tools.collect that it shows; "" where it names its commits itself.
BLOCKS: Mapping[str, tuple[str, Callable[[], str]]] = {
    "runs": ("", runs),
    "speed": ("", speed),
    "times": ("", times),
    "Table 3, CelebA": ("celeba", lambda: first_table(table3_of(CELEBA))),
    "Table 3 alone, CelebA": ("celeba", lambda: table_alone(table3_of(CELEBA))),
    "differences, CelebA": ("celeba", lambda: differences(CELEBA)),
    "Table 3, bundled faces": ("bundled", lambda: first_table((REPORTS / "table3.md").read_text("utf-8"))),
    "seeds, CelebA": ("celeba-seeds", lambda: first_table(seeds(CELEBA))),
    "seeds, bundled faces": ("bundled-seeds", lambda: first_table(seeds(REPORTS))),
    "protection in short, CelebA": ("celeba-evaluation", lambda: protection_in_short(CELEBA)),
    "protection, bundled faces": ("bundled", lambda: protection(BUNDLED)),
    "modes": ("celeba-evaluation", modes),
    "readings, CelebA": ("celeba-readings", lambda: readings(CELEBA)),
    "ablation": ("celeba-ablation", ablation),
    "goals": ("celeba-evaluation", goals),
}
DOCUMENTS: Mapping[Path, tuple[str, Callable[[], str]]] = {
    CELEBA / "table3.md": ("celeba", lambda: table3_of(CELEBA)),
    CELEBA / "seeds.md": ("celeba-seeds", lambda: seeds(CELEBA)),
    REPORTS / "seeds.md": ("bundled-seeds", lambda: seeds(REPORTS)),
    CELEBA / "readings.md": ("celeba-readings", lambda: readings(CELEBA)),
    CELEBA / "evaluation.md": ("celeba-evaluation", lambda: evaluation(CELEBA)),
}


if __name__ == "__main__":
    run(main)

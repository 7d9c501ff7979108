"""Write the generated parts of the documents from committed numbers: python -m tools.docs (make docs).

A generated part of a page stands between `<!-- begin NAME -->` and `<!-- end -->`; BLOCKS says what it shows. DOCUMENTS
are generated as a whole. A number that stands in a document comes from here, or from a run that the text names.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import pandas as pd
from ruamel.yaml import YAML

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.methods import FEATURES, PAPER_METHODS, PROPOSED, SHAPE, label_of
from pfgvm.report.evaluation.document import evaluation_document
from pfgvm.report.evaluation.summary import claims, summary_table
from pfgvm.report.numbers import number, per_cent, with_interval
from pfgvm.report.published import published_cells
from pfgvm.report.readings_table import readings_table
from pfgvm.report.render import markdown
from pfgvm.report.seeds_tables import seeds_tables
from pfgvm.report.table3 import MEASURES, table3, table3_full
from pfgvm.report.table_data import as_records, table3_metrics
from stages.common.data_frames import read_numbers
from stages.common.files import atomic_write
from stages.common.program import run
from tools.collect import RUNS
from tools.protect import MODES

REPORTS = Path("reports")
CELEBA, BUNDLED = REPORTS / "celeba", REPORTS / "evaluation"
SPEED = Path("benchmarks/results")
# Rows of the benchmarks, by the command that they time.
PIPELINES = {"make repro": "dvc repro, bundled faces, cpu", "make evaluation": "evaluation, bundled faces, cpu"}
# Of reports/celeba: Model B stands on dlib, as in the bundled run.
DESCRIPTORS = {"A": "none", "B": "dlib"}
# Recognisers that P-FGVM (features) does not attack.
BLACK_BOX = ("sface", "faceres")
# Labels of the methods of `make protect`, by mode.
METHODS = {mode: label_of(key) for mode, key in MODES.items()}
MEASURE_LABELS = {"l2": "L2", "mssim_legacy": "SI", "mr": "MR"}
# Identities are not named where the faces are real.
TABLES = ("recognition", "transfer", "robustness", "adaptive", "minimum_norm", "equal_mr", "quality")


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


def first_table(document: str) -> str:
    """The first table of a Markdown `document`, with its caption and notes."""
    return re.split(r"(?m)^(?=Table .* in full|Table 4)", document)[0]


def table3_of(folder: Path) -> str:
    """Table 3 and Table 3 in full, from the numbers in `folder`."""
    rows = as_records(pd.read_csv(folder / "table3.csv"))
    tables = [table3(rows, published(), DESCRIPTORS), table3_full(rows, table3_metrics(), DESCRIPTORS)]
    return "\n".join(map(markdown, tables))


def table_alone(document: str) -> str:
    """The first table of a Markdown `document`, with its caption, without its notes."""
    return re.split(r"(?m)^- ", first_table(document))[0]


def differences(folder: Path) -> str:
    """Our Table 3 minus the paper's, by method."""
    rows = pd.read_csv(folder / "table3.csv").query("pixels == 'float'").set_index(["model", "method"])

    def cells(model: str, method: str) -> list[str]:
        ours, paper = rows.loc[(model, method)], published_cells(published(), model, method)
        return [
            f"{factor * (ours[measure] - paper[measure]):+.{digits}f}{' points' if unit else ''}".replace("-", "−")
            for measure, (digits, factor, unit) in MEASURES.items()
        ]

    lines = [[method, *(cell for model in DESCRIPTORS for cell in cells(model, method))] for method in PAPER_METHODS]
    heads = [f"{model}: {MEASURE_LABELS[measure]}" for model in DESCRIPTORS for measure in MEASURES]
    return plain_table(["Ours minus the paper's", *heads], lines)


def seeds(folder: Path) -> str:
    """Tables 3 and 4 over seeds."""
    return "\n".join(map(markdown, seeds_tables(pd.read_csv(folder / "seeds.csv"), published(), DESCRIPTORS)))


def readings(folder: Path) -> str:
    """Model A under readings of what the paper leaves open."""
    return markdown(readings_table(pd.read_csv(folder / "readings.csv", keep_default_na=False), published()))


def protection(folder: Path) -> str:
    """Whether P-FGVM protects: the claims and the table behind them."""
    recognition = read_numbers(folder / "recognition.csv")
    sentences = claims({"recognition": recognition})
    return "\n".join([*(f"{sentence}\n" for sentence in sentences), markdown(summary_table(recognition))])


def protection_in_short(folder: Path) -> str:
    """TMR and rank-1 rate of P-FGVM and its extensions, by recognisers that none of them attacks."""
    methods = (PROPOSED, FEATURES, *SHAPE)
    recognition = read_numbers(folder / "recognition.csv")
    chosen = recognition[
        recognition["method"].isin(methods)
        & recognition["recogniser"].isin(BLACK_BOX)
        & (recognition["fmr"] == recognition["fmr"].max())
    ]
    # The extensions attack no classifier: their rows of both models are equal.
    chosen = chosen.drop_duplicates(["method", "recogniser", "tmr_protected"])
    chosen = pd.concat(chosen[chosen["method"] == method] for method in methods)
    rows = [
        [
            row.method + (f", Model {row.model}" if row.method == PROPOSED else ""),
            recogniser_label(row.recogniser),
            per_cent(row.tmr_clean),
            with_interval(row.tmr_protected, row.low, row.high),
            per_cent(row.rank1_clean),
            per_cent(row.rank1_protected),
        ]
        for row in chosen.itertuples()
    ]
    heads = ["Method", "Recogniser", "TMR clean (%)", "TMR protected (%, 95 % CI)", "Rank-1 clean (%)"]
    sentences = "\n".join(f"{sentence}\n" for sentence in claims({"recognition": recognition}))
    return f"{plain_table([*heads, 'Rank-1 protected (%)'], rows)}\n\n{sentences}"


def evaluation(folder: Path) -> str:
    """The whole evaluation but for its tables by identity."""
    tables = {name: read_numbers(folder / f"{name}.csv") for name in TABLES}
    return evaluation_document(tables | {"recognised_persons": pd.DataFrame()})


def modes() -> str:
    """What each mode of `make protect` changes, and what black-box recognisers still match."""
    clean = at_one_per_cent(FEATURES)["tmr_clean"]
    rows = [["(clean)", *(["0"] * len(VISIBLE)), *(per_cent(clean[by]) for by in BLACK_BOX)]]
    for mode, method in METHODS.items():
        quality, recognition = of_method("quality", method).iloc[0], at_one_per_cent(method)
        visible = [number(quality[name], digits) for name, digits in VISIBLE.items()]
        matched = [with_interval(*recognition.loc[by, ["tmr_protected", "low", "high"]]) for by in BLACK_BOX]
        rows.append([mode, *visible, *matched])
    heads = ["Displacement (pixels)", "FLIP, close", "FLIP, close, without displacement"]
    return plain_table(["Mode", *heads, "TMR, SFace (%)", "TMR, faceres (%)"], rows)


def ablation() -> str:
    """What each part of P-FGVM (features) is worth."""
    rows = []
    for variant, own in pd.read_csv(CELEBA / "ablation.csv").groupby("variant", sort=False):
        cells = [str(variant)]
        by_recogniser = own.set_index("recogniser")
        for name in BLACK_BOX:
            if name not in by_recogniser.index:
                cells += ["white-box", ""]
                continue
            row = by_recogniser.loc[name]
            difference = with_interval(*(row[f"difference{end}"] for end in ("", "_low", "_high")))
            cells += [with_interval(row["tmr"], row["low"], row["high"]), "" if len(rows) == 0 else difference]
        rows.append([*cells, number(own["mssim_face"].iloc[0], 3)])
    heads = ["TMR, SFace (%)", "Difference", "TMR, faceres (%)", "Difference", "MSSIM, face"]
    return plain_table(["Variant", *heads], rows)


def goals() -> str:
    """What the methods against black-box recognisers were to reach, and what they reach."""
    rows = []
    for label, measured, targets in GOALS:
        cells = [
            f"{measured(method)} (≤ {target})" if target else measured(method)
            for method, target in zip(METHODS.values(), targets, strict=True)
        ]
        rows.append([label, *cells])
    return plain_table(["Measure (SFace / faceres; in brackets the goal)", *METHODS.values()], rows)


def recognition_rate(value: str, low: str, high: str) -> Callable[[str], str]:
    """Cell of a rate of recognition.csv for a method: both black-box recognisers with their intervals."""
    return lambda method: " / ".join(
        with_interval(*at_one_per_cent(method).loc[by, [value, low, high]]) for by in BLACK_BOX
    )


def weakest_transform(method: str) -> str:
    """The highest TMR of each black-box recogniser over all transforms, and the transform."""
    table = of_method("robustness", method)
    worst = [(by, table.loc[table[f"{by}_tmr"].idxmax()]) for by in BLACK_BOX]
    return " / ".join(f"{per_cent(row[f'{by}_tmr'])} ({row['transform']})" for by, row in worst)


def accuracy(attacker: str, share: float | None = None) -> Callable[[str], str]:
    """Cell of the accuracy of an adaptive attacker for a method: both black-box recognisers with their intervals."""

    def of(method: str) -> str:
        table = of_method("adaptive", method)
        table = table[table["attacker"].eq(attacker) & (table["share"].eq(share) if share else True)]
        by_recogniser = table.set_index("recogniser")
        columns = ["accuracy_protected", "low", "high"]
        applicable = [by for by in BLACK_BOX if by in by_recogniser.index]
        return " / ".join(with_interval(*by_recogniser.loc[by, columns]) for by in applicable) or "–"

    return of


def detector_auc(method: str) -> str:
    """AUC of the detector of protected images, with its interval."""
    [row] = of_method("adaptive", method).query("attacker == 'detector'").to_dict("records")
    return with_interval(row["auc"], row["auc_low"], row["auc_high"], partial(number, digits=2))


def visible(*names: str, digits: int = 3) -> Callable[[str], str]:
    """Cell of the means of columns of quality.csv for a method, with their intervals."""

    def of(method: str) -> str:
        row = of_method("quality", method).iloc[0]
        shown = partial(number, digits=digits)
        return " / ".join(
            with_interval(*(row[f"{name}{end}"] for end in ("", "_low", "_high")), shown) for name in names
        )

    return of


def found(method: str) -> str:
    """Shares of images with a detected face, and with the clean image's landmarks."""
    row = at_one_per_cent(method).iloc[0]
    return f"{per_cent(row['found'])} / {per_cent(row['aligned'])}"


def runs() -> str:
    """The kept runs: their commit, and the settings that differ from the commit's."""
    rows = []
    for results, record in json.loads(RUNS.read_text("utf-8")).items():
        settings = ", ".join(f"`{name}={json.dumps(value)}`" for name, value in record["settings"].items())
        rows.append([results, f"`{record['commit']}`", settings or "the committed ones"])
    return plain_table(["Results", "Commit", "Settings"], rows)


def speed() -> str:
    """The benchmarks' tables of all machines."""
    return "\n".join(path.read_text("utf-8") for path in sorted(SPEED.glob("*.md")))


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


# Each with the highest value that was aimed at: natural, strong, pixels; "" without a goal.
GOALS: Sequence[tuple[str, Callable[[str], str], tuple[str, str, str]]] = (
    ("TMR, protected with clean images (%)", recognition_rate("tmr_protected", "low", "high"), ("5", "2", "8")),
    ("TMR after the weakest transform (%)", weakest_transform, ("8", "3", "15")),
    ("Rank-1 identification rate (%)", recognition_rate("rank1_protected", "rank1_low", "rank1_high"), ("15", "5", "")),
    (
        "TMR, protected with protected images (%)",
        recognition_rate("tmr_both", "both_low", "both_high"),
        ("50", "40", ""),
    ),
    ("Accuracy, retrained on protected images (%)", accuracy("retrained", 1.0), ("50", "35", "")),
    ("Accuracy, growing gallery (%)", accuracy("growing gallery"), ("", "", "")),
    ("Accuracy, mean displacement removed (%)", accuracy("unwarped"), ("", "", "")),
    ("AUC of a detector", detector_auc, ("", "", "")),
    ("FLIP without displacement, mean", visible("flip_displaced"), ("0.03", "", "0.055")),
    ("FLIP without displacement, 95th percentile", visible("flip_displaced_p95"), ("0.10", "", "")),
    ("FLIP, close: mean", visible("flip_close"), ("", "", "")),
    ("FLIP, close: 95th percentile", visible("flip_close_p95"), ("", "", "")),
    ("Displacement on the face, mean (pixels)", visible("displacement", digits=2), ("0.8", "2", "")),
    ("Displacement on the face, maximum (pixels)", visible("displacement_max", digits=1), ("4", "9", "")),
    ("MSSIM (Wang), face (goal of pixels: ≥ 0.965)", visible("mssim_face"), ("", "", "")),
    ("Face detected / with its landmarks (%; goals ≥ 99, ≥ 97)", found, ("", "", "")),
)
# Columns of quality.csv in the table of modes, and their decimals.
VISIBLE = {"displacement": 2, "flip_close": 3, "flip_close_displaced": 3}


def of_method(name: str, method: str) -> pd.DataFrame:
    """The rows of a method without a model in a table of reports/celeba, of one model: all have the same images."""
    table = read_numbers(CELEBA / f"{name}.csv")
    rows = table[table["method"] == method]
    return rows[rows["model"] == rows["model"].iloc[-1]]


def at_one_per_cent(method: str) -> pd.DataFrame:
    """The rows of a method in recognition.csv at FMR 1 %, by recogniser."""
    return of_method("recognition", method).query("fmr == 0.01").set_index("recogniser")


def published() -> Mapping:
    """The paper's values."""
    return YAML(typ="safe", pure=True).load(REPORTS / "paper.yaml")


def plain_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table without caption."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows))


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

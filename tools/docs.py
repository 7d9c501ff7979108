"""Write the generated parts of the documents from committed numbers: python -m tools.docs (make docs).

A generated part of a page stands between `<!-- begin NAME -->` and `<!-- end -->`; BLOCKS says what it shows. DOCUMENTS
are generated as a whole. A number that stands in a document comes from here, or from a run that the text names.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from ruamel.yaml import YAML

from pfgvm.evaluation.recognition.embedding_distance import recogniser_label
from pfgvm.methods import FEATURES, PAPER_METHODS, PROPOSED
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

REPORTS = Path("reports")
CELEBA, BUNDLED = REPORTS / "celeba", REPORTS / "evaluation"
# Of reports/celeba: Model B stands on dlib, as in the bundled run.
DESCRIPTORS = {"A": "none", "B": "dlib"}
# Recognisers that P-FGVM (features) does not attack.
BLACK_BOX = ("sface", "faceres")
# Factors of the perturbation of P-FGVM (features) in the table of strengths.
STRENGTHS = {"light": 0.5, "medium": 1.0, "strong": 1.5}
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
    texts = {path: make() for path, make in DOCUMENTS.items()}
    for path in (Path("README.md"), *sorted(Path("docs").glob("*.md")), *sorted(REPORTS.glob("*/README.md"))):
        text = path.read_text("utf-8")
        texts[path] = re.sub(r"(?s)(<!-- begin (.+?) -->\n).*?(<!-- end -->)", _filled, text)
    return texts


def _filled(block: re.Match[str]) -> str:
    return f"{block[1]}\n{BLOCKS[block[2]]().strip()}\n\n{block[3]}"


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


def gap(folder: Path) -> str:
    """Our Table 3 minus the paper's: for each model the range over its methods."""
    rows = pd.read_csv(folder / "table3.csv").query("pixels == 'float'").set_index(["model", "method"])
    sentences = []
    for model, descriptor in DESCRIPTORS.items():
        ranges = []
        for measure, (digits, factor, unit) in MEASURES.items():
            differences = [
                factor * (rows.loc[(model, method), measure] - published_cells(published(), model, method)[measure])
                for method in PAPER_METHODS
            ]
            low, high = (f"{value:+.{digits}f}".replace("-", "−") for value in (min(differences), max(differences)))
            ranges.append(f"{MEASURE_LABELS[measure]} {low} to {high}{' points' if unit else ''}")
        title = f"Model {model}" + ("" if descriptor == "none" else f" ({descriptor} instead of VGG-Face)")
        sentences.append(f"On {title}, our values minus the paper's are {', '.join(ranges)} over the three methods.")
    return "\n\n".join(sentences)


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
    """TMR and rank-1 rate of P-FGVM and P-FGVM (features), by recognisers that neither attacks."""
    recognition = read_numbers(folder / "recognition.csv")
    chosen = recognition[
        recognition["method"].isin([PROPOSED, FEATURES])
        & recognition["recogniser"].isin(BLACK_BOX)
        & (recognition["fmr"] == recognition["fmr"].max())
    ]
    # P-FGVM (features) attacks no classifier: its rows of both models are equal.
    chosen = chosen.drop_duplicates(["method", "recogniser", "tmr_protected"])
    chosen = pd.concat(chosen[chosen["method"] == method] for method in (PROPOSED, FEATURES))
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


def strengths() -> str:
    """What each strength of `make protect` changes, and what black-box recognisers still match."""
    table = of_features("visibility")
    rows = []
    for name, strength in STRENGTHS.items():
        own = table[table["strength"] == strength].set_index("recogniser")
        visible = [number(own[measure].iloc[0], 3) for measure in ("mssim_face", "flip_face")]
        rows.append([name, *visible, *(with_interval(*own.loc[by, ["tmr", "low", "high"]]) for by in BLACK_BOX)])
    return plain_table(["Strength", "MSSIM, face", "FLIP, face", "TMR, SFace (%)", "TMR, faceres (%)"], rows)


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
    """What P-FGVM (features) was to reach, and what it reaches."""
    recognition = of_features("recognition").query("fmr == 0.01").set_index("recogniser")
    robustness, quality = of_features("robustness"), of_features("quality").iloc[0]
    worst = robustness.loc[robustness["sface_tmr"].idxmax()]
    full = pd.read_csv(CELEBA / "table3_evaluated.csv")
    similarity = full[full["method"].eq(FEATURES) & full["pixels"].eq("8bit")]["mssim_legacy"].iloc[0]

    def both(column: str) -> str:
        return " / ".join(per_cent(recognition.loc[by, column]) for by in BLACK_BOX) + " %"

    rows = [
        ["TMR, protected with clean images", "≤ 2 / ≤ 4 %", both("tmr_protected")],
        [
            f"TMR after the weakest transform ({worst['transform']})",
            "≤ 8 % each",
            " / ".join(per_cent(worst[f"{by}_tmr"]) for by in BLACK_BOX) + " %",
        ],
        ["TMR, protected with protected images", "≤ 15 %", both("tmr_both")],
        ["Rank-1 identification rate", "≤ 5 %", both("rank1_protected")],
        ["MSSIM (Wang), face", "≥ 0.965", number(quality["mssim_face"], 3)],
        ["FLIP, face", "≤ 0.055", number(quality["flip_face"], 3)],
        ["SI, image", "≥ 0.993", number(similarity, 3)],
        ["Face detected", "≥ 99 %", f"{per_cent(recognition.loc['sface', 'found'])} %"],
    ]
    return plain_table(["Measure (SFace / faceres)", "Goal", "Measured"], rows)


def of_features(name: str) -> pd.DataFrame:
    """The rows of P-FGVM (features) in a table of reports/celeba, of one model: both have the same images."""
    table = read_numbers(CELEBA / f"{name}.csv")
    own = table[table["method"] == FEATURES]
    return own[own["model"] == own["model"].iloc[-1]]


def published() -> Mapping:
    """The paper's values."""
    return YAML(typ="safe", pure=True).load(REPORTS / "paper.yaml")


def plain_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table without caption."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows))


BLOCKS: Mapping[str, Callable[[], str]] = {
    "Table 3, CelebA": lambda: first_table(table3_of(CELEBA)),
    "Table 3 alone, CelebA": lambda: table_alone(table3_of(CELEBA)),
    "gap, CelebA": lambda: gap(CELEBA),
    "Table 3, bundled faces": lambda: first_table((REPORTS / "table3.md").read_text("utf-8")),
    "seeds, CelebA": lambda: first_table(seeds(CELEBA)),
    "seeds, bundled faces": lambda: first_table(seeds(REPORTS)),
    "protection in short, CelebA": lambda: protection_in_short(CELEBA),
    "protection, bundled faces": lambda: protection(BUNDLED),
    "strengths": strengths,
    "ablation": ablation,
    "goals": goals,
}
DOCUMENTS: Mapping[Path, Callable[[], str]] = {
    CELEBA / "table3.md": lambda: table3_of(CELEBA),
    CELEBA / "seeds.md": lambda: seeds(CELEBA),
    REPORTS / "seeds.md": lambda: seeds(REPORTS),
    CELEBA / "readings.md": lambda: readings(CELEBA),
    CELEBA / "evaluation.md": lambda: evaluation(CELEBA),
}


if __name__ == "__main__":
    run(main)
